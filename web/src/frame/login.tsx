// The login page: the hub asks who looks, once it can be reached by others.

import { useSignal } from '@preact/signals';
import { logIn } from '../api.ts';
import { Mark } from '../parts/icons.tsx';
import { Fault } from '../parts/parts.tsx';

export function LoginPage() {
  const fault = useSignal('');
  const busy = useSignal(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    busy.value = true;
    fault.value = (await logIn(String(form.get('user')), String(form.get('password')))) ?? '';
    busy.value = false;
  };
  return (
    <div class="page login">
      <form class="card stack" onSubmit={submit} aria-label="Log in">
        <div class="welcome">
          <Mark size={40} />
          <h1>Log in</h1>
          <p class="quiet">This hub can be reached by others, so it asks who looks.</p>
        </div>
        <label>
          User
          <input name="user" defaultValue="admin" required autocomplete="username" autocapitalize="none" />
        </label>
        <label>
          Password
          <input name="password" type="password" required autocomplete="current-password" />
        </label>
        <Fault says={fault.value} />
        <button type="submit" class="main" disabled={busy.value}>
          {busy.value ? 'Asking the hub …' : 'Log in'}
        </button>
        <details>
          <summary>Where is the password?</summary>
          <p class="quiet small">
            The hub printed one when it started, unless <code>web.adminPassword</code> says it.{' '}
            <code>viewer</code> (with <code>web.viewerPassword</code>) may look and change nothing. The test
            client and the wildcard tester need no login here.
          </p>
        </details>
      </form>
    </div>
  );
}
