// The wildcard tester: which of these filters match which of these topics, and why.

import { signal } from '@preact/signals';
import { filterFault, matchTopic } from '../wildcard.ts';

const filters = signal('sensors/+/temperature\nsensors/#\n#\n$SYS/#');
const topics = signal('sensors/kitchen/temperature\nsensors\n$SYS/uptime');

export function WildcardsPage() {
  const rows = linesOf(filters.value);
  const columns = linesOf(topics.value);
  return (
    <div class="page">
      <h1>Wildcards</h1>
      <p class="quiet">
        <code>+</code> is one whole level, <code>#</code> is all that follows, and must be last.
      </p>
      <div class="two">
        <label>
          Filters, one a line
          <textarea
            rows={6}
            value={filters.value}
            onInput={(e) => {
              filters.value = e.currentTarget.value;
            }}
          />
        </label>
        <label>
          Topics, one a line
          <textarea
            rows={6}
            value={topics.value}
            onInput={(e) => {
              topics.value = e.currentTarget.value;
            }}
          />
        </label>
      </div>
      {rows.map((filter) => (
        <section key={filter} class="card">
          <h2>
            <code>{filter}</code>
          </h2>
          {filterFault(filter) !== undefined ? (
            <p class="fault">{filterFault(filter)}</p>
          ) : (
            <ul class="verdicts">
              {columns.map((topic) => {
                const { matches, why } = matchTopic(filter, topic);
                return (
                  <li key={topic} class={matches ? 'yes' : 'no'}>
                    <span class="mark">{matches ? '✓' : '✗'}</span>
                    <code>{topic}</code>
                    <span class="quiet">{why}</span>
                  </li>
                );
              })}
            </ul>
          )}
        </section>
      ))}
    </div>
  );
}

function linesOf(text: string): string[] {
  return [...new Set(text.split('\n').filter((line) => line !== ''))];
}
