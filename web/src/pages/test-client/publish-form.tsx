// The form to publish with: topic, payload in several formats, QoS, retain, properties; what was saved, and what was published before.

import { useSignal } from '@preact/signals';
import { connections } from '../../client/connections.ts';
import {
  change,
  chooseFormat,
  type Draft,
  draft,
  forget,
  keep,
  pairsOf,
  published,
  remember,
  saved,
} from '../../client/publishing.ts';
import { DIALECTS, type Dialect, type Qos } from '../../links/link.ts';
import { Icon } from '../../parts/icons.tsx';
import { Select } from '../../parts/parts.tsx';
import { PAYLOAD_FORMATS, type PayloadFormat, writePayload } from '../../payload/write.ts';

const FORMATS = Object.fromEntries(
  Object.entries(PAYLOAD_FORMATS).map(([name, { title }]) => [name, title]),
) as Readonly<Record<PayloadFormat, string>>;

/** What crosses of a message's properties. */
const CARRIES: Readonly<Record<Dialect, string>> = {
  mqtt5: '',
  mqtt311: 'MQTT 3.1.1 has no properties: they stay behind.',
  coap: 'CoAP has content types with a number, and expiry; what is beyond goes in an envelope of the hub.',
  waymeet: '',
  http: '',
};

export function PublishForm() {
  const said = useSignal<{ text: string; kind: 'good' | 'bad' | '' }>({ text: '', kind: '' });
  const chosen = useSignal('');
  const d = draft.value;
  const connection = connections.value.find((c) => c.name === chosen.value) ?? connections.value[0];
  const publish = async () => {
    try {
      await connection?.publish(messageOf(d));
      said.value = { text: d.qos === 0 ? 'Sent' : 'The hub has it', kind: 'good' };
      remember(d);
    } catch (error) {
      said.value = { text: (error as Error).message, kind: 'bad' };
    }
  };
  return (
    <form
      class="card publish"
      aria-label="Publish"
      onSubmit={(event) => {
        event.preventDefault();
        void publish();
      }}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void publish();
      }}
    >
      <div class="row wrap">
        <div class="row spread topic-field">
          <input
            class="mono"
            aria-label="Topic"
            list="topics-before"
            required
            spellcheck={false}
            autocapitalize="none"
            value={d.topic}
            onInput={(e) => change({ topic: e.currentTarget.value })}
          />
          <datalist id="topics-before">
            {[...new Set(published.value.map((p) => p.topic))].map((t) => (
              <option key={t} value={t} />
            ))}
          </datalist>
        </div>
        <Select label="Payload is" options={FORMATS} value={d.format} choose={chooseFormat} />
        <Select
          label="QoS"
          options={{ '0': 'QoS 0', '1': 'QoS 1', '2': 'QoS 2' }}
          value={String(d.qos) as '0' | '1' | '2'}
          choose={(qos) => change({ qos: Number(qos) as Qos })}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={d.retain}
            onChange={(e) => change({ retain: e.currentTarget.checked })}
          />{' '}
          Retain
        </label>
      </div>
      <textarea
        class="mono"
        aria-label="Payload"
        rows={2}
        spellcheck={false}
        value={d.payload}
        onInput={(e) => change({ payload: e.currentTarget.value })}
      />
      <div class="folds">
        <PropertyFields carries={CARRIES[connection?.o.dialect ?? 'mqtt5']} />
        <Saved />
        <Before />
      </div>
      <div class="row wrap">
        <span class={`saying spread ${said.value.kind}`} role="status">
          {said.value.text}
        </span>
        {connections.value.length > 1 && (
          <Select
            label="With"
            options={Object.fromEntries(
              connections.value.map((c) => [c.name, `${DIALECTS[c.o.dialect]} ${c.name}`]),
            )}
            value={connection?.name ?? ''}
            choose={(name) => {
              chosen.value = name;
            }}
          />
        )}
        <button type="submit" class="main" title="Ctrl Enter">
          <Icon name="send" /> Publish
        </button>
      </div>
    </form>
  );
}

function messageOf(d: Draft) {
  const { topic, qos, retain, contentType, responseTopic, correlation } = d;
  return {
    topic,
    payload: writePayload(d.payload, d.format),
    qos,
    retain,
    contentType,
    responseTopic,
    correlation,
    expirySeconds: Number(d.expiry || 0),
    text: d.format === 'text' || d.format === 'json',
    user: pairsOf(d.user),
  };
}

function PropertyFields({ carries }: { readonly carries: string }) {
  const d = draft.value;
  const field = (
    name: 'contentType' | 'responseTopic' | 'correlation' | 'expiry',
    title: string,
    more = {},
  ) => (
    <label>
      {title}
      <input
        class="mono"
        value={d[name]}
        spellcheck={false}
        onInput={(e) => change({ [name]: e.currentTarget.value })}
        {...more}
      />
    </label>
  );
  return (
    <details>
      <summary>Properties</summary>
      <div class="stack tight">
        {carries !== '' && <p class="quiet small">{carries}</p>}
        <div class="pair">
          {field('contentType', 'Content type', { placeholder: 'application/json' })}
          {field('expiry', 'Expiry, seconds', { type: 'number', min: 0 })}
          {field('responseTopic', 'Response topic')}
          {field('correlation', 'Correlation data')}
        </div>
        <label>
          User properties, name=value, one a line
          <textarea
            class="mono"
            rows={2}
            value={d.user}
            onInput={(e) => change({ user: e.currentTarget.value })}
          />
        </label>
      </div>
    </details>
  );
}

function Saved() {
  const name = useSignal('');
  const save = () => {
    const { topic, payload } = draft.value;
    keep(name.value.trim() || `${topic}: ${payload.slice(0, 30)}`);
    name.value = '';
  };
  return (
    <details>
      <summary>Saved{saved.value.length > 0 ? ` (${saved.value.length})` : ''}</summary>
      <ul class="drafts">
        {saved.value.map((s) => (
          <li key={s.name} class="row">
            <button type="button" class="link spread clip" onClick={() => change({ ...s })}>
              {s.name}
            </button>
            <button type="button" class="icon" aria-label={`Delete ${s.name}`} onClick={() => forget(s.name)}>
              <Icon name="cross" size={13} />
            </button>
          </li>
        ))}
      </ul>
      <div class="row">
        <input
          aria-label="Name"
          placeholder="name"
          value={name.value}
          onInput={(e) => {
            name.value = e.currentTarget.value;
          }}
        />
        <button type="button" onClick={save}>
          <Icon name="keep" /> Save this payload
        </button>
      </div>
    </details>
  );
}

function Before() {
  return (
    <details>
      <summary>History</summary>
      {published.value.length === 0 && <p class="quiet small">What you publish is listed here.</p>}
      <ul class="drafts">
        {published.value.map((p, i) => (
          <li key={i}>
            <button type="button" class="link row" onClick={() => change(p)}>
              <code>{p.topic}</code>
              <span class="quiet clip">{p.payload}</span>
            </button>
          </li>
        ))}
      </ul>
    </details>
  );
}
