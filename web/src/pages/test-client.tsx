// The test client: connections side by side, what they subscribe to, what is published, and every message.

import { useSignal } from '@preact/signals';
import { DIALECTS, type Qos } from '../links/link.ts';
import { type Connection, connections, removeConnection } from '../store.ts';
import { ConnectionForm } from './connection-form.tsx';
import { Messages } from './messages.tsx';
import { PublishForm } from './publish-form.tsx';

export function TestClientPage() {
  const adding = useSignal(false);
  const first = connections.value.length === 0;
  return (
    <div class="page fill">
      <div class="client grow">
        <aside>
          {connections.value.map((c) => (
            <ConnectionCard key={c.name} connection={c} />
          ))}
          {first || adding.value ? (
            <ConnectionForm
              first={first}
              done={() => {
                adding.value = false;
              }}
            />
          ) : (
            <button
              type="button"
              class="plain wide"
              onClick={() => {
                adding.value = true;
              }}
            >
              Add a connection
            </button>
          )}
          {!first && <PublishForm />}
        </aside>
        <Messages />
      </div>
    </div>
  );
}

const PHASES = {
  connecting: 'connecting',
  up: 'connected',
  waiting: 'lost, trying again',
  off: 'not connected',
};

function ConnectionCard({ connection: c }: { readonly connection: Connection }) {
  const filter = useSignal('');
  const qos = useSignal<Qos>(0);
  const subscribe = (event: SubmitEvent) => {
    event.preventDefault();
    if (filter.value === '') return;
    void c.subscribe(filter.value, qos.value);
    filter.value = '';
  };
  return (
    <section class={`card connection ${c.phase.value}`} aria-label={`Connection ${c.name}`}>
      <div class="bar">
        <b>{c.name}</b> {DIALECTS[c.o.dialect]}
        <span class="phase" role="status">
          {PHASES[c.phase.value]}
        </span>
      </div>
      <p class="quiet id">
        {c.clientId.value} {c.count.value > 0 && `· ${c.count.value} received`}
      </p>
      {c.why.value !== '' && (
        <p class={c.phase.value === 'up' ? 'quiet' : 'fault'} role="alert">
          {c.why.value}
        </p>
      )}
      <ul class="subscriptions">
        {c.subscriptions.value.map((s) => (
          <li key={s.filter}>
            <span class={`dot colour${s.colour}`} />
            <code>{s.filter}</code>
            <span class="quiet">
              {s.fault === undefined ? (
                s.granted === undefined ? (
                  `QoS ${s.qos} …`
                ) : (
                  `QoS ${s.granted}`
                )
              ) : (
                <span class="fault">{s.fault}</span>
              )}
            </span>
            <button
              type="button"
              class="plain"
              aria-label={`Unsubscribe ${s.filter}`}
              onClick={() => c.unsubscribe(s.filter)}
            >
              ✕
            </button>
          </li>
        ))}
      </ul>
      <form class="bar" onSubmit={subscribe}>
        <input
          aria-label="Topic filter"
          placeholder="filter, such as demo/#"
          value={filter.value}
          onInput={(e) => {
            filter.value = e.currentTarget.value;
          }}
        />
        <select
          aria-label="QoS"
          value={qos.value}
          onChange={(e) => {
            qos.value = Number(e.currentTarget.value) as Qos;
          }}
        >
          <option value={0}>QoS 0</option>
          <option value={1}>QoS 1</option>
          <option value={2}>QoS 2</option>
        </select>
        <button type="submit">Subscribe</button>
      </form>
      <p class="actions">
        {c.phase.value === 'off' || c.phase.value === 'waiting' ? (
          <button type="button" class="plain" onClick={() => c.open()}>
            Connect
          </button>
        ) : (
          <button type="button" class="plain" onClick={() => c.close()}>
            Disconnect
          </button>
        )}
        <button type="button" class="plain" onClick={() => removeConnection(c)}>
          Remove
        </button>
      </p>
    </section>
  );
}
