// Every setting in force, and who said so.

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { api } from '../api.ts';
import { Empty, Fault, Head, Search } from '../parts/parts.tsx';

interface Setting {
  readonly path: string;
  readonly value: unknown;
  readonly where: string;
  readonly about: string;
  readonly live: boolean;
}

export function ConfigPage() {
  const settings = useSignal<readonly Setting[]>([]);
  const search = useSignal('');
  const said = useSignal(false);
  const fault = useSignal('');
  useEffect(() => {
    api<{ items: Setting[] }>('/config').then(
      ({ items }) => {
        settings.value = items;
      },
      (error: Error) => {
        fault.value = error.message;
      },
    );
  }, []);
  const word = search.value.toLowerCase();
  const shown = settings.value.filter(
    (s) =>
      (!said.value || s.where !== 'default') &&
      `${s.path} ${s.about} ${JSON.stringify(s.value)}`.toLowerCase().includes(word),
  );
  const groups = Map.groupBy(shown, groupOf);
  return (
    <div class="page">
      <Head
        title="Configuration"
        about="Every setting in force and where it came from. Secrets are hidden. It is changed in the file, then applied by SIGHUP or a restart."
      />
      <div class="toolbar free">
        <Search
          label="Search settings"
          placeholder="search settings"
          value={search.value}
          change={(value) => {
            search.value = value;
          }}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={said.value}
            onChange={(e) => {
              said.value = e.currentTarget.checked;
            }}
          />
          Only what somebody said
        </label>
      </div>
      <Fault says={fault.value} />
      {shown.length === 0 && settings.value.length > 0 && (
        <Empty icon="sliders" title="No setting fits">
          {said.value ? 'Everything is as it comes.' : 'Search for something else.'}
        </Empty>
      )}
      <div class="stack">
        {[...groups].map(([group, items]) => (
          <section key={group} class="card">
            <h2>{group}</h2>
            <ul class="settings">
              {items.map((s) => (
                <li key={s.path}>
                  <div>
                    <code>{s.path}</code>
                    <p class="quiet small">{withCode(s.about)}</p>
                  </div>
                  <code class="setting-value">{shownValue(s.value)}</code>
                  <span class={s.where === 'default' ? 'badge' : 'badge good'}>{s.where}</span>
                  <span class="quiet small">{s.live ? 'live' : 'restart'}</span>
                </li>
              ))}
            </ul>
          </section>
        ))}
      </div>
    </div>
  );
}

/** Settings that stand alone are together. */
function groupOf({ path }: Setting): string {
  const end = path.search(/[.[]/);
  return end < 0 ? 'hub' : path.slice(0, end);
}

/** What stands between backticks is code. */
function withCode(text: string) {
  return text.split('`').map((part, i) => (i % 2 === 0 ? part : <code key={i}>{part}</code>));
}

function shownValue(value: unknown): string {
  if (value === undefined || value === null) return '–';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
