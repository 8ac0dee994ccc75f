// The wildcard tester: which filters match which topics, and why.

import { signal } from '@preact/signals';
import { Icon } from '../parts/icons.tsx';
import { Head } from '../parts/parts.tsx';
import { filterFault, matchTopic } from '../wildcard.ts';

const filters = signal('house/+/temperature\nhouse/#\n+/kitchen/#');
const topics = signal('house/kitchen/temperature\nhouse\nhouse/kitchen/door/state\n$SYS/broker/uptime');

export function WildcardsPage() {
  const columns = linesOf(topics.value);
  return (
    <div class="page">
      <Head
        title="Wildcards"
        about={
          <>
            <code>+</code> stands for one level, <code>#</code> for all that follow. One filter and one topic
            a line.
          </>
        }
      />
      <div class="halves">
        <label>
          Filters
          <textarea
            class="mono"
            rows={6}
            spellcheck={false}
            value={filters.value}
            onInput={(e) => {
              filters.value = e.currentTarget.value;
            }}
          />
        </label>
        <label>
          Topics
          <textarea
            class="mono"
            rows={6}
            spellcheck={false}
            value={topics.value}
            onInput={(e) => {
              topics.value = e.currentTarget.value;
            }}
          />
        </label>
      </div>
      <div class="stack verdict-cards">
        {linesOf(filters.value).map((filter) => (
          <section key={filter} class="card">
            <h2>
              <code>{filter}</code>
            </h2>
            {filterFault(filter) !== undefined ? (
              <p class="saying bad">{filterFault(filter)}</p>
            ) : (
              <ul class="verdicts">
                {columns.map((topic) => {
                  const { matches, why } = matchTopic(filter, topic);
                  return (
                    <li key={topic} class={matches ? 'yes' : 'no'}>
                      <Icon name={matches ? 'tick' : 'cross'} />
                      <code>
                        <span class="hidden-text">{matches ? 'matches' : 'does not match'}</span> {topic}
                      </code>
                      <span class="quiet small">{why}</span>
                    </li>
                  );
                })}
              </ul>
            )}
          </section>
        ))}
      </div>
    </div>
  );
}

function linesOf(text: string): string[] {
  return [...new Set(text.split('\n').filter((line) => line !== ''))];
}
