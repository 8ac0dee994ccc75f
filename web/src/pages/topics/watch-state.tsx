// How the watching of topics stands, where it does not go well: why, and who else may watch.

import { Notice } from '../../parts/parts.tsx';
import { refused, state, watchAs } from '../../tree.ts';

export function WatchState() {
  if (state.value === '' || state.value === 'connecting') return null;
  return (
    <Notice kind="warn">
      <p>Topics cannot be watched: {state.value}.</p>
      {refused.value && <WatchForm />}
    </Notice>
  );
}

function WatchForm() {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => String(form.get(name) ?? '');
    watchAs({ username: text('username'), password: text('password'), filter: text('filter') });
  };
  return (
    <form class="row wrap watch" aria-label="Watch topics" onSubmit={submit}>
      <input
        name="username"
        aria-label="User"
        placeholder="user"
        autocomplete="username"
        autocapitalize="none"
      />
      <input
        name="password"
        type="password"
        aria-label="Password or token"
        placeholder="password or token"
        autocomplete="current-password"
      />
      <input name="filter" class="mono" aria-label="Filter" defaultValue="#" required spellcheck={false} />
      <button type="submit" class="main">
        Watch
      </button>
    </form>
  );
}
