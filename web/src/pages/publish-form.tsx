// The form to publish with: topic, payload, QoS, retain, properties; payloads that were saved, and the topics of before.

import { signal, useSignal } from '@preact/signals';
import type { Qos } from '../links/link.ts';
import { connections } from '../store.ts';

interface SavedPayload {
  readonly name: string;
  readonly topic: string;
  readonly payload: string;
  readonly format: Format;
  readonly contentType: string;
}

type Format = 'text' | 'hex';

const SAVED_KEY = 'waymeet-payloads';
const HISTORY_KEY = 'waymeet-topics';
const MAX_HISTORY = 30;

const saved = signal<readonly SavedPayload[]>(
  JSON.parse(localStorage.getItem(SAVED_KEY) ?? '[]') as SavedPayload[],
);
const history = signal<readonly string[]>(
  JSON.parse(localStorage.getItem(HISTORY_KEY) ?? '["demo/hello"]') as string[],
);

const topic = signal('demo/hello');
const payload = signal('Hello');
const format = signal<Format>('text');
const contentType = signal('');

export function PublishForm() {
  const said = useSignal<{ text: string; fault: boolean }>({ text: '', fault: false });
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => String(form.get(name) ?? '');
    const connection = connections.value.find((c) => c.name === text('connection')) ?? connections.value[0];
    try {
      const qos = Number(text('qos')) as Qos;
      await connection?.publish({
        topic: topic.value,
        payload: octetsOf(payload.value, format.value),
        qos,
        retain: form.has('retain'),
        contentType: contentType.value,
        responseTopic: text('responseTopic'),
        correlation: text('correlation'),
        expirySeconds: Number(text('expiry') || 0),
        user: userOf(text('user')),
      });
      said.value = { text: qos === 0 ? 'sent' : 'the hub has it', fault: false };
      history.value = [topic.value, ...history.value.filter((t) => t !== topic.value)].slice(0, MAX_HISTORY);
      localStorage.setItem(HISTORY_KEY, JSON.stringify(history.value));
    } catch (error) {
      said.value = { text: (error as Error).message, fault: true };
    }
  };
  return (
    <form class="card" onSubmit={submit} aria-label="Publish">
      <h2>Publish</h2>
      {connections.value.length > 1 && (
        <label>
          With
          <select name="connection">
            {connections.value.map((c) => (
              <option key={c.name}>{c.name}</option>
            ))}
          </select>
        </label>
      )}
      <label>
        Topic
        <input
          list="topics-before"
          required
          value={topic.value}
          onInput={(e) => {
            topic.value = e.currentTarget.value;
          }}
        />
        <datalist id="topics-before">
          {history.value.map((t) => (
            <option key={t} value={t} />
          ))}
        </datalist>
      </label>
      <label>
        Payload
        <textarea
          rows={3}
          value={payload.value}
          onInput={(e) => {
            payload.value = e.currentTarget.value;
          }}
        />
      </label>
      <div class="bar">
        <select
          aria-label="Payload is"
          value={format.value}
          onChange={(e) => {
            format.value = e.currentTarget.value as Format;
          }}
        >
          <option value="text">Text</option>
          <option value="hex">Hex</option>
        </select>
        <select name="qos" aria-label="QoS">
          <option value="0">QoS 0</option>
          <option value="1">QoS 1</option>
          <option value="2">QoS 2</option>
        </select>
        <label class="check">
          <input name="retain" type="checkbox" /> Retain
        </label>
      </div>
      <details>
        <summary>Properties</summary>
        <label>
          Content type{' '}
          <input
            value={contentType.value}
            placeholder="application/json"
            onInput={(e) => {
              contentType.value = e.currentTarget.value;
            }}
          />
        </label>
        <label>
          Response topic <input name="responseTopic" />
        </label>
        <label>
          Correlation data <input name="correlation" />
        </label>
        <label>
          Expiry, seconds <input name="expiry" type="number" min="0" />
        </label>
        <label>
          User properties, name=value, one a line <textarea name="user" rows={2} />
        </label>
      </details>
      <details>
        <summary>Saved payloads: {saved.value.length}</summary>
        <ul class="saved">
          {saved.value.map((s, i) => (
            <li key={s.name}>
              <button type="button" class="link" onClick={() => load(s)}>
                {s.name}
              </button>
              <button
                type="button"
                class="plain"
                aria-label={`Delete ${s.name}`}
                onClick={() => keep(saved.value.filter((_, j) => j !== i))}
              >
                ✕
              </button>
            </li>
          ))}
        </ul>
        <button type="button" class="plain" onClick={saveThis}>
          Save this payload
        </button>
      </details>
      <p class="actions">
        <button type="submit">Publish</button>
        <span class={said.value.fault ? 'fault' : 'quiet'} role="status">
          {said.value.text}
        </span>
      </p>
    </form>
  );
}

function load(s: SavedPayload): void {
  topic.value = s.topic;
  payload.value = s.payload;
  format.value = s.format;
  contentType.value = s.contentType;
}

function saveThis(): void {
  const name = `${topic.value}: ${payload.value.slice(0, 30)}`;
  const fresh = {
    name,
    topic: topic.value,
    payload: payload.value,
    format: format.value,
    contentType: contentType.value,
  };
  keep([...saved.value.filter((s) => s.name !== name), fresh]);
}

function keep(all: readonly SavedPayload[]): void {
  saved.value = all;
  localStorage.setItem(SAVED_KEY, JSON.stringify(all));
}

function octetsOf(text: string, as: Format): Uint8Array {
  if (as === 'text') return new TextEncoder().encode(text);
  const pairs = text.replace(/\s+/g, '');
  if (!/^(?:[0-9a-f]{2})*$/i.test(pairs)) throw new Error('hex is pairs of 0-9 and a-f, such as 00 ff');
  return Uint8Array.from(pairs.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function userOf(text: string): [string, string][] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const equals = line.indexOf('=');
      if (equals < 0) throw new Error(`a user property is name=value, not '${line}'`);
      return [line.slice(0, equals), line.slice(equals + 1)];
    });
}
