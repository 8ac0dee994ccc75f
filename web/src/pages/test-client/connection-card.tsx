// One connection of the test client: how it stands, what it subscribed to, and the form to subscribe.

import { useSignal } from '@preact/signals';
import { COLOURS, type Connection, removeConnection, type Subscribed } from '../../client/connections.ts';
import { greetingOf } from '../../links/greeting.ts';
import { DIALECTS, PLAIN_SUBSCRIPTION, type Qos } from '../../links/link.ts';
import { certificateLink } from '../../links/why.ts';
import { Icon } from '../../parts/icons.tsx';
import { count } from '../../parts/numbers.ts';
import { Notice } from '../../parts/parts.tsx';
import { Properties } from '../../parts/payload.tsx';
import { filterFault } from '../../wildcard.ts';

const PHASES = {
  connecting: 'connecting',
  up: 'connected',
  waiting: 'lost, trying again',
  off: 'not connected',
} as const;
const LAMPS = { connecting: 'busy', up: 'good', waiting: 'busy', off: 'bad' } as const;

export function ConnectionCard({ connection: c }: { readonly connection: Connection }) {
  const phase = c.phase.value;
  const away = phase === 'off' || phase === 'waiting';
  const clientId = c.opened.value?.clientId ?? '';
  return (
    <section class="card connection stack tight" aria-label={`Connection ${c.name}`}>
      <div class="row">
        <i class={`lamp ${LAMPS[phase]}`} />
        <div class="spread">
          <h2>
            {DIALECTS[c.o.dialect]} <span class="quiet number">{c.name}</span>
          </h2>
        </div>
        <button
          type="button"
          class="icon"
          aria-label={away ? 'Connect' : 'Disconnect'}
          title={away ? 'Connect' : 'Disconnect'}
          onClick={() => (away ? c.open() : c.close())}
        >
          <Icon name={away ? 'again' : 'off'} />
        </button>
        <button
          type="button"
          class="icon"
          aria-label="Remove"
          title="Remove"
          onClick={() => removeConnection(c)}
        >
          <Icon name="cross" />
        </button>
      </div>
      <p class="row small quiet state">
        <span role="status">{PHASES[phase]}</span>
        {clientId !== '' && <code class="clip id">{clientId}</code>}
        {c.count.value > 0 && <span class="tabular">{count(c.count.value)} received</span>}
      </p>
      <Why connection={c} />
      {phase === 'up' && c.opened.value !== undefined && (
        <details>
          <summary>What the hub said</summary>
          <Properties pairs={greetingOf(c.opened.value)} />
        </details>
      )}
      {c.subscriptions.value.length > 0 && (
        <ul class="subscriptions">
          {c.subscriptions.value.map((s) => (
            <SubscribedRow key={s.filter} connection={c} subscribed={s} />
          ))}
        </ul>
      )}
      <SubscribeForm connection={c} />
    </section>
  );
}

function Why({ connection: c }: { readonly connection: Connection }) {
  const why = c.why.value;
  if (why === '') return null;
  if (c.phase.value === 'up') return <p class="small quiet">{why}</p>;
  const link = certificateLink(why);
  return (
    <Notice kind={c.phase.value === 'waiting' ? 'warn' : 'bad'}>
      {why}
      {link !== undefined && (
        <>
          {': '}
          <a href={link} target="_blank" rel="noreferrer">
            look at the hub's certificate
          </a>
          , accept it there, and come back.
        </>
      )}
    </Notice>
  );
}

function SubscribedRow({ connection, subscribed: s }: { connection: Connection; subscribed: Subscribed }) {
  return (
    <li class={`colour${s.colour}`}>
      <button
        type="button"
        class="swatch"
        aria-label={`Another colour for ${s.filter}`}
        title="Another colour"
        onClick={() => connection.paint(s.filter, (s.colour + 1) % COLOURS)}
      />
      <code class="spread">{s.filter}</code>
      {s.count > 0 && <span class="small quiet tabular">{count(s.count)}</span>}
      <span class="badge">
        {s.granted === undefined ? (s.fault === undefined ? '…' : 'refused') : `QoS ${s.granted}`}
      </span>
      <button
        type="button"
        class="icon"
        aria-label={`Unsubscribe ${s.filter}`}
        title="Unsubscribe"
        onClick={() => connection.unsubscribe(s.filter)}
      >
        <Icon name="cross" size={13} />
      </button>
      {s.fault !== undefined && <p class="saying bad">{s.fault}</p>}
    </li>
  );
}

const HANDLING = ['Send retained messages', 'Only if it is new', 'No retained messages'];

function SubscribeForm({ connection: c }: { readonly connection: Connection }) {
  const filter = useSignal('');
  const fault = filter.value === '' ? undefined : filterFault(filter.value);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (filter.value === '' || fault !== undefined) return;
    const form = new FormData(event.currentTarget as HTMLFormElement);
    void c.subscribe(filter.value, {
      ...PLAIN_SUBSCRIPTION,
      qos: Number(form.get('qos')) as Qos,
      noLocal: form.has('noLocal'),
      retainHandling: Number(form.get('handling') ?? 0) as 0 | 1 | 2,
      ...(c.o.dialect === 'mqtt5' && {
        retainAsPublished: form.has('asPublished'),
        identifier: Number(form.get('identifier') || 0),
      }),
    });
    filter.value = '';
  };
  return (
    <form class="stack tight" onSubmit={submit} aria-label="Subscribe">
      <div class="row">
        <input
          class="mono"
          aria-label="Topic filter"
          placeholder="demo/#"
          spellcheck={false}
          autocapitalize="none"
          aria-invalid={fault !== undefined}
          value={filter.value}
          onInput={(e) => {
            filter.value = e.currentTarget.value;
          }}
        />
        <select aria-label="QoS" name="qos" class="narrow">
          <option value={0}>QoS 0</option>
          <option value={1}>QoS 1</option>
          <option value={2}>QoS 2</option>
        </select>
        <button
          type="submit"
          class="main square"
          aria-label="Subscribe"
          title="Subscribe"
          disabled={filter.value === '' || fault !== undefined}
        >
          <Icon name="plus" />
        </button>
      </div>
      {fault !== undefined && <p class="saying bad">{fault}</p>}
      {(c.o.dialect === 'mqtt5' || c.o.dialect === 'waymeet') && (
        <details>
          <summary>Subscription options</summary>
          <div class="stack tight">
            <label class="check">
              <input type="checkbox" name="noLocal" /> No local
            </label>
            {c.o.dialect === 'mqtt5' && (
              <label class="check">
                <input type="checkbox" name="asPublished" defaultChecked /> Retain as published
              </label>
            )}
            <label>
              Retained messages
              <select name="handling">
                {HANDLING.map((title, value) => (
                  <option key={title} value={value}>
                    {title}
                  </option>
                ))}
              </select>
            </label>
            {c.o.dialect === 'mqtt5' && (
              <label>
                Identifier <input name="identifier" type="number" min="1" max="268435455" />
              </label>
            )}
          </div>
        </details>
      )}
    </form>
  );
}
