// The trace: packets of one client or one topic as they pass, both ways, field by field.

import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Part, PartKind } from '../../../src/admin/anatomy/part.ts';
import { Anatomy } from '../anatomy/view.tsx';
import { request } from '../api.ts';
import { readEvents } from '../events.ts';
import { route } from '../frame/route.ts';
import { Icon } from '../parts/icons.tsx';
import { bytes, instant } from '../parts/numbers.ts';
import { Empty, Fault, Head } from '../parts/parts.tsx';
import { saveFile } from '../parts/save-file.ts';
import { VirtualList } from '../parts/virtual.tsx';
import { filterFault } from '../wildcard.ts';

/** One packet, as the hub tells it, and its number here. */
interface Traced {
  readonly number: number;
  readonly at: number;
  readonly direction: 'in' | 'out';
  readonly protocol: string;
  readonly client?: string;
  readonly remote: string;
  readonly name: string;
  readonly topic?: string;
  readonly topics?: readonly string[];
  readonly length: number;
  /** Base64, of the beginning. */
  readonly octets: string;
  readonly cut: boolean;
  readonly fields: readonly Field[];
  /** So many before this one were left out. */
  readonly missed?: number;
}

interface Field {
  readonly name: string;
  readonly value: string;
  readonly from?: number;
  readonly to?: number;
  readonly kind?: PartKind;
}

const MAX_PACKETS = 5_000;
const SECONDS = 3_600;
const GATHER_MS = 50;

let nextNumber = 1;

const client = signal('');
const topic = signal('');
const packets = signal<readonly Traced[]>([]);
const chosen = signal<Traced | undefined>(undefined);
const running = signal<AbortController | undefined>(undefined);
const fault = signal('');

function query(): string {
  const asked = new URLSearchParams();
  if (client.value !== '') asked.set('client', client.value);
  if (topic.value !== '') asked.set('topic', topic.value);
  asked.set('limit', '100000');
  asked.set('seconds', String(SECONDS));
  return asked.toString();
}

async function start(): Promise<void> {
  running.value?.abort();
  const stop = new AbortController();
  running.value = stop;
  fault.value = '';
  packets.value = [];
  chosen.value = undefined;
  try {
    const response = await request(`/trace?${query()}`, 'GET', undefined, {
      signal: stop.signal,
      headers: { Accept: 'text/event-stream' },
    });
    if (!response.ok)
      throw new Error(((await response.json()) as { detail?: string }).detail ?? `HTTP ${response.status}`);
    await follow(response);
  } catch (error) {
    if (!stop.signal.aborted) fault.value = (error as Error).message;
  }
  if (running.value === stop) running.value = undefined;
}

/** Packets reach the page in groups: a busy topic is not one drawing each. */
async function follow(response: Response): Promise<void> {
  let gathered: Traced[] = [];
  for await (const { type, data } of readEvents(response)) {
    if (type !== 'packet') continue;
    gathered.push({ ...(JSON.parse(data) as Omit<Traced, 'number'>), number: nextNumber++ });
    if (gathered.length > 1) continue;
    setTimeout(() => {
      packets.value = [...packets.value, ...gathered].slice(-MAX_PACKETS);
      gathered = [];
    }, GATHER_MS);
  }
}

function stop(): void {
  running.value?.abort();
  running.value = undefined;
}

export function TracePage() {
  const [, what, ...words] = route.value;
  useEffect(() => {
    if (what === undefined || words.length === 0) return;
    client.value = what === 'client' ? words.join('/') : '';
    topic.value = what === 'topic' ? words.join('/') : '';
    void start();
  }, [route.value]);
  useEffect(() => stop, []);
  const wrong = topic.value === '' ? undefined : filterFault(topic.value);
  return (
    <div class="page fill">
      <Head
        title="Trace"
        about="What passes between the hub and one client, or on one topic, packet by packet, both ways."
      />
      <form
        class="toolbar free"
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
      >
        <input
          class="mono topic-filter"
          aria-label="Client"
          placeholder="client, such as mqtt/sensor-7"
          spellcheck={false}
          value={client.value}
          onInput={(e) => {
            client.value = e.currentTarget.value;
          }}
        />
        <input
          class="mono topic-filter"
          aria-label="Topic filter"
          placeholder="topic, such as room/#"
          spellcheck={false}
          aria-invalid={wrong !== undefined}
          value={topic.value}
          onInput={(e) => {
            topic.value = e.currentTarget.value;
          }}
        />
        {running.value === undefined ? (
          <button
            key="start" // another element than the other: a click must not fall through to it
            type="submit"
            class="main"
            disabled={(client.value === '' && topic.value === '') || wrong !== undefined}
          >
            <Icon name="play" /> Trace
          </button>
        ) : (
          <button key="stop" type="button" onClick={stop}>
            <Icon name="pause" /> Stop
          </button>
        )}
        <button
          type="button"
          disabled={packets.value.length === 0}
          onClick={() =>
            saveFile(
              'waymeet-trace.ndjson',
              'application/x-ndjson',
              packets.value.map((p) => `${JSON.stringify(p)}\n`).join(''),
            )
          }
        >
          <Icon name="down" /> NDJSON
        </button>
      </form>
      {wrong !== undefined && <p class="saying bad">{wrong}</p>}
      <Fault says={fault.value} />
      <div class="card flush board">
        <div class="list-and-inspector">
          <VirtualList
            items={packets.value}
            rowHeight={36}
            label="Packets"
            stick
            chosen={chosen.value}
            choose={(packet) => {
              chosen.value = packet;
            }}
            keyOf={(packet) => packet.number}
            empty={
              <Empty
                icon="scan"
                title={running.value === undefined ? 'Nothing is traced' : 'Waiting for the first packet'}
              >
                Say a client, a topic, or both. Nothing is looked at while nobody traces.
              </Empty>
            }
            row={(packet) => <Row packet={packet} />}
          />
          {chosen.value !== undefined && <Inspector packet={chosen.value} />}
        </div>
      </div>
    </div>
  );
}

function Row({ packet }: { readonly packet: Traced }) {
  return (
    <div class={`line ${packet.direction} ${packet.direction === 'in' ? 'colour0' : 'colour1'}`}>
      <time class="quiet">{instant(packet.at)}</time>
      <span class="way">{packet.direction === 'in' ? '→ hub' : '← hub'}</span>
      <span class="packet-name">{packet.name}</span>
      <span class="badge">{packet.protocol}</span>
      <code class="clip">{packet.client ?? packet.remote}</code>
      <span class="value">{packet.topic ?? packet.topics?.join(', ') ?? ''}</span>
      {packet.missed !== undefined && packet.missed > 0 && (
        <span class="badge warn">{packet.missed} left out</span>
      )}
      <span class="number quiet small">{bytes(packet.length)}</span>
    </div>
  );
}

function Inspector({ packet }: { readonly packet: Traced }) {
  const octets = Uint8Array.from(atob(packet.octets), (c) => c.charCodeAt(0));
  return (
    <section class="inspector stack tight" aria-label="Packet">
      <div class="row">
        <h2 class="spread">{packet.name}</h2>
        <button
          type="button"
          class="icon"
          aria-label="Close"
          onClick={() => {
            chosen.value = undefined;
          }}
        >
          <Icon name="cross" />
        </button>
      </div>
      <p class="quiet small">
        {packet.direction === 'in' ? 'From' : 'To'} {packet.client ?? 'nobody yet'}, {packet.remote},{' '}
        {instant(packet.at)}
        {packet.cut && `; the first ${bytes(octets.length)} of ${bytes(packet.length)}`}
      </p>
      <Anatomy parts={partsOf(packet.fields, octets)} raw={octets} />
    </section>
  );
}

/** Fields in their order; octets that no field names are parts without a name. */
function partsOf(fields: readonly Field[], octets: Uint8Array): Part[] {
  const parts: Part[] = [];
  let at = 0;
  for (const { name, value, from, to, kind } of fields) {
    if (from !== undefined && from > at)
      parts.push({ kind: 'rest', name: '', value: '', octets: octets.subarray(at, from) });
    const own = from === undefined ? octets.subarray(0, 0) : octets.subarray(from, to);
    parts.push({ kind: kind ?? kindOf(name), name, value, octets: own });
    at = Math.max(at, to ?? 0);
  }
  if (at < octets.length)
    parts.push({ kind: 'rest', name: 'The rest', value: '', octets: octets.subarray(at) });
  return parts;
}

const KINDS: readonly (readonly [pattern: RegExp, kind: PartKind])[] = [
  [/payload|body|data/i, 'payload'],
  [/topic|path|destination|routing|address/i, 'topic'],
  [/identifier|token|\bid\b|client|message id/i, 'id'],
  [/flags|reason|code|options|granted|qos/i, 'flags'],
  [/type|length|version|marker|protocol/i, 'header'],
];

function kindOf(name: string): PartKind {
  return KINDS.find(([pattern]) => pattern.test(name))?.[1] ?? 'property';
}
