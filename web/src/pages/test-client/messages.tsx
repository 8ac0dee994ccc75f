// The message list: filter, search, pause, export; and beside it the one message that was chosen.

import { computed, signal } from '@preact/signals';
import { clearLines, dropped, type Line, lines, paused, setPaused, waiting } from '../../client/lines.ts';
import { Icon } from '../../parts/icons.tsx';
import { instant } from '../../parts/numbers.ts';
import { Empty, Search } from '../../parts/parts.tsx';
import { saveFile } from '../../parts/save-file.ts';
import { VirtualList } from '../../parts/virtual.tsx';
import { summary, textOf } from '../../payload/view.ts';
import { filterFault, matchTopic } from '../../wildcard.ts';
import { exportCsv, exportJson } from './export.ts';
import { Inspector } from './inspector.tsx';

const filter = signal('');
const search = signal('');
const chosen = signal<Line | undefined>(undefined);

const shown = computed(() => {
  const byTopic = filter.value !== '' && filterFault(filter.value) === undefined ? filter.value : undefined;
  const word = search.value.toLowerCase();
  if (byTopic === undefined && word === '') return lines.value;
  return lines.value.filter((line) => {
    if (byTopic !== undefined && !matchTopic(byTopic, line.topic).matches) return false;
    return (
      word === '' ||
      line.topic.toLowerCase().includes(word) ||
      (textOf(line.payload)?.toLowerCase().includes(word) ?? false) ||
      line.properties.some(([name, value]) => `${name} ${value}`.toLowerCase().includes(word))
    );
  });
});

export function Messages() {
  return (
    <section class="messages" aria-label="Messages">
      <Toolbar />
      <div class="list-and-inspector">
        <VirtualList
          items={shown.value}
          rowHeight={38}
          label="Messages"
          stick
          chosen={chosen.value}
          choose={(line) => {
            chosen.value = line;
          }}
          keyOf={(line) => line.number}
          empty={
            lines.value.length > 0 ? (
              <Empty icon="search" title="Nothing fits">
                {lines.value.length} messages are there; the filter or the search leaves them all out.
              </Empty>
            ) : (
              <Empty icon="pulse" title="Listening">
                Subscribe to a topic filter, such as <code>demo/#</code>, then publish below.
              </Empty>
            )
          }
          row={(line) => <Row line={line} />}
        />
        {chosen.value !== undefined && (
          <Inspector
            key={chosen.value.number}
            line={chosen.value}
            close={() => {
              chosen.value = undefined;
            }}
          />
        )}
      </div>
    </section>
  );
}

/** How many there are, and are shown. */
export function Counts() {
  return (
    <p class="quiet small tabular" role="status">
      {shown.value.length} of {lines.value.length} messages
      {dropped.value > 0 ? `; the oldest ${dropped.value} were let go` : ''}
    </p>
  );
}

function Toolbar() {
  const fault = filter.value === '' ? undefined : filterFault(filter.value);
  return (
    <div class="toolbar">
      <input
        class="mono topic-filter"
        aria-label="Show topics"
        placeholder="only topics, such as demo/#"
        spellcheck={false}
        aria-invalid={fault !== undefined}
        value={filter.value}
        onInput={(e) => {
          filter.value = e.currentTarget.value;
        }}
      />
      <Search
        label="Search messages"
        placeholder="search"
        value={search.value}
        change={(value) => {
          search.value = value;
        }}
      />
      <button type="button" aria-pressed={paused.value} title="p" onClick={() => setPaused(!paused.value)}>
        <Icon name={paused.value ? 'play' : 'pause'} />
        {paused.value ? `Go on${waiting.value > 0 ? ` (${waiting.value})` : ''}` : 'Pause'}
      </button>
      <button
        type="button"
        class="icon"
        title="Save as JSON"
        onClick={() => saveFile('waymeet-messages.json', 'application/json', exportJson(shown.value))}
      >
        <Icon name="down" /> JSON
      </button>
      <button
        type="button"
        class="icon"
        title="Save as CSV"
        onClick={() => saveFile('waymeet-messages.csv', 'text/csv', exportCsv(shown.value))}
      >
        <Icon name="down" /> CSV
      </button>
      <button
        type="button"
        class="icon"
        aria-label="Clear"
        title="Clear"
        onClick={() => {
          chosen.value = undefined;
          clearLines();
        }}
      >
        <Icon name="bin" />
      </button>
      {fault !== undefined && <p class="saying bad counts">{fault}</p>}
    </div>
  );
}

function Row({ line }: { readonly line: Line }) {
  return (
    <div class={`line ${line.direction}${line.colour === undefined ? '' : ` colour${line.colour}`}`}>
      <time class="quiet">{instant(line.at)}</time>
      <span class="who">
        {line.direction === 'in' ? '←' : '→'} {line.connection}
      </span>
      <span class="topic-name">{line.topic}</span>
      <span class="value">{summary(line.payload, line.contentType)}</span>
      {line.retain && <span class="badge good">retained</span>}
      {line.qos > 0 && <span class="badge">QoS {line.qos}</span>}
    </div>
  );
}
