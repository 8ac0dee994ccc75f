// The message list: filter, search, pause, export; and one message whole, with the anatomy of its packet.

import { computed, signal, useSignal } from '@preact/signals';
import { bytes, instant } from '../numbers.ts';
import { anatomyOf, type Part } from '../payload/anatomy.ts';
import { hexOf } from '../payload/binary.ts';
import { dump, type PayloadView, show, textOf, VIEWS } from '../payload/view.ts';
import { clearLines, dropped, type Line, lines, paused, setPaused } from '../store.ts';
import { VirtualList } from '../virtual.tsx';
import { filterFault, matchTopic } from '../wildcard.ts';

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
      (textOf(line.payload)?.toLowerCase().includes(word) ?? false)
    );
  });
});

export function Messages() {
  const fault = filter.value === '' ? undefined : filterFault(filter.value);
  return (
    <section class="messages" aria-label="Messages">
      <div class="bar">
        <input
          aria-label="Show topics"
          placeholder="topics, such as demo/#"
          value={filter.value}
          onInput={(e) => {
            filter.value = e.currentTarget.value;
          }}
        />
        <input
          type="search"
          aria-label="Search messages"
          placeholder="search"
          value={search.value}
          onInput={(e) => {
            search.value = e.currentTarget.value;
          }}
        />
        <button
          type="button"
          class="plain"
          aria-pressed={paused.value}
          onClick={() => setPaused(!paused.value)}
        >
          {paused.value ? 'Go on' : 'Pause'}
        </button>
        <button type="button" class="plain" onClick={() => save('json', shown.value)}>
          JSON
        </button>
        <button type="button" class="plain" onClick={() => save('csv', shown.value)}>
          CSV
        </button>
        <button type="button" class="plain" onClick={clearLines}>
          Clear
        </button>
      </div>
      {fault !== undefined && <p class="fault">{fault}</p>}
      <p class="quiet counts" role="status">
        {shown.value.length} of {lines.value.length} messages
        {dropped.value > 0 ? `; the oldest ${dropped.value} were let go` : ''}
        {paused.value ? '; paused' : ''}
      </p>
      <VirtualList
        items={shown.value}
        rowHeight={34}
        role="listbox"
        stick
        label="Messages"
        empty="Nothing yet: connect, subscribe, then publish."
        row={(line) => (
          <button
            type="button"
            role="option"
            aria-selected={chosen.value === line}
            key={line.number}
            class={`line ${line.direction}${chosen.value === line ? ' chosen' : ''}`}
            onClick={() => {
              chosen.value = chosen.value === line ? undefined : line;
            }}
          >
            <span class={line.colour === undefined ? 'dot' : `dot colour${line.colour}`} />
            <time>{instant(line.at)}</time>
            <span class="who">
              {line.direction === 'in' ? '←' : '→'} {line.connection}
            </span>
            <span class="topic-name">{line.topic}</span>
            <span class="value">
              {textOf(line.payload)?.slice(0, 200) ?? `${line.payload.length} octets`}
            </span>
            {line.retain && <span class="badge">retained</span>}
            <span class="number">QoS {line.qos}</span>
          </button>
        )}
      />
      {chosen.value !== undefined && <Whole line={chosen.value} />}
    </section>
  );
}

function Whole({ line }: { readonly line: Line }) {
  const view = useSignal<PayloadView>('auto');
  const seen = show(line.payload, view.value, line.contentType);
  return (
    <div class="card whole">
      <div class="bar">
        <b>
          <code>{line.topic}</code>
        </b>
        <span class="quiet">
          {bytes(line.payload.length)} · QoS {line.qos}
          {line.retain ? ' · retained' : ''}
        </span>
        <label class="small">
          View
          <select
            value={view.value}
            onChange={(e) => {
              view.value = e.currentTarget.value as PayloadView;
            }}
          >
            {Object.entries(VIEWS).map(([name, title]) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </select>
        </label>
        <button
          type="button"
          class="plain"
          onClick={() => {
            chosen.value = undefined;
          }}
        >
          Close
        </button>
      </div>
      <pre class={seen.wrong ? 'payload fault' : 'payload'}>{seen.text}</pre>
      {line.properties.length > 0 && (
        <dl>
          {line.properties.map(([name, value], i) => [
            <dt key={`n${i}`}>{name}</dt>,
            <dd key={`v${i}`}>{value}</dd>,
          ])}
        </dl>
      )}
      {line.raw !== undefined && (
        <details>
          <summary>Packet anatomy</summary>
          {typeof line.raw === 'string' ? (
            <pre class="payload">{line.raw}</pre>
          ) : (
            <Anatomy raw={line.raw} level5={line.dialect === 'mqtt5'} />
          )}
        </details>
      )}
    </div>
  );
}

const MAX_SHOWN = 64;

function Anatomy({ raw, level5 }: { readonly raw: Uint8Array; readonly level5: boolean }) {
  const whole = useSignal(false);
  return (
    <>
      <div class="scroll">
        <table class="anatomy">
          <tbody>
            {anatomyOf(raw, level5).map((part: Part, i) => (
              <tr key={i} class={`part-${part.kind}`}>
                <th scope="row">{part.name}</th>
                <td>
                  <code>
                    {hexOf(part.octets.subarray(0, MAX_SHOWN))}
                    {part.octets.length > MAX_SHOWN ? ' …' : ''}
                  </code>
                </td>
                <td>{part.value}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <button
        type="button"
        class="plain"
        onClick={() => {
          whole.value = !whole.value;
        }}
      >
        {whole.value ? 'Hide' : 'Show'} all {raw.length} octets
      </button>
      {whole.value && <pre class="payload">{dump(raw)}</pre>}
    </>
  );
}

function save(as: 'json' | 'csv', all: readonly Line[]): void {
  const text = as === 'json' ? JSON.stringify(all.map(plain), null, 2) : csv(all);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(
    new Blob([text], { type: as === 'json' ? 'application/json' : 'text/csv' }),
  );
  link.download = `waymeet-messages.${as}`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function plain(line: Line) {
  const text = textOf(line.payload);
  return {
    at: new Date(line.at).toISOString(),
    direction: line.direction,
    connection: line.connection,
    topic: line.topic,
    qos: line.qos,
    retain: line.retain,
    payload: text,
    payloadHex: text === undefined ? hexOf(line.payload) : undefined,
    ...(line.properties.length > 0 && { properties: line.properties }),
  };
}

/** [RFC4180-2] */
function csv(all: readonly Line[]): string {
  const cell = (value: unknown) => {
    const text = String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const rows = all.map((line) => {
    const p = plain(line);
    return [p.at, p.direction, p.connection, p.topic, p.qos, p.retain, p.payload ?? p.payloadHex]
      .map(cell)
      .join(',');
  });
  return ['at,direction,connection,topic,qos,retain,payload', ...rows].join('\r\n');
}
