// Clients and sessions: who is here, what they subscribed to, what waits for them; and how to send one away.

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { api, happened, history } from '../api.ts';
import { bytes, clock, count, span } from '../numbers.ts';

interface Client {
  readonly protocol: string;
  readonly client: string;
  readonly principal: string;
  readonly remote: string;
  readonly since: number;
}

interface Session {
  readonly protocol: string;
  readonly name: string;
  readonly attended: boolean;
  readonly stored: boolean;
  readonly keepMs: number | null;
  readonly waiting: number;
  readonly waitingBytes: number;
  readonly unsettled: number;
  readonly subscriptions: number;
}

interface Shown {
  readonly session: Session;
  readonly subscriptions: readonly { readonly filter: string; readonly qos: number }[];
}

const PAGE = 100;

export function ClientsPage() {
  const search = useSignal('');
  const clients = useSignal<{ total: number; items: Client[] }>({ total: 0, items: [] });
  const away = useSignal<{ total: number; items: Session[] }>({ total: 0, items: [] });
  const chosen = useSignal<{ readonly protocol: string; readonly name: string } | undefined>(undefined);
  const shown = useSignal<Shown | undefined>(undefined);
  const fault = useSignal('');
  const seconds = history.value.at(-1)?.at;

  const look = async () => {
    const asked = search.value === '' ? '' : `&search=${encodeURIComponent(search.value)}`;
    try {
      clients.value = await api(`/clients?limit=${PAGE}${asked}`);
      away.value = await api(`/sessions?attended=false&limit=${PAGE}${asked}`);
      const { value } = chosen;
      shown.value = value === undefined ? undefined : await api<Shown>(pathOf(value)).catch(() => undefined);
      fault.value = '';
    } catch (error) {
      fault.value = (error as Error).message;
    }
  };
  // With each new figure, so once a second while the hub is there.
  useEffect(() => void look(), [seconds, search.value, chosen.value]);

  const act = async (method: string, path: string) => {
    try {
      await api(path, method);
    } catch (error) {
      fault.value = (error as Error).message;
      return;
    }
    await look();
  };

  return (
    <div class="page">
      <h1>Clients</h1>
      <label class="search">
        Search
        <input
          type="search"
          value={search.value}
          onInput={(e) => {
            search.value = e.currentTarget.value;
          }}
          placeholder="client id, user or address"
        />
      </label>
      {fault.value !== '' && (
        <p class="fault" role="alert">
          {fault.value}
        </p>
      )}
      <div class="two wide-left">
        <section class="card scroll">
          <h2>Connected: {count(clients.value.total)}</h2>
          <table>
            <thead>
              <tr>
                <th>Client</th>
                <th>Protocol</th>
                <th>User</th>
                <th>Address</th>
                <th>Since</th>
                <th />
              </tr>
            </thead>
            <tbody>
              {clients.value.items.map((c) => (
                <tr key={`${c.protocol} ${c.client}`} class={chosen.value?.name === c.client ? 'chosen' : ''}>
                  <td>
                    <button
                      type="button"
                      class="link"
                      onClick={() => {
                        chosen.value = { protocol: c.protocol, name: c.client };
                      }}
                    >
                      {c.client}
                    </button>
                  </td>
                  <td>{c.protocol}</td>
                  <td>{c.principal}</td>
                  <td>{c.remote}</td>
                  <td>{clock(c.since)}</td>
                  <td>
                    <button
                      type="button"
                      class="plain"
                      onClick={() => act('DELETE', `/clients/${c.protocol}/${encodeURIComponent(c.client)}`)}
                    >
                      Disconnect
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {clients.value.total > PAGE && <p class="quiet">The first {PAGE}; search for others.</p>}
          <h2>Away: {count(away.value.total)}</h2>
          <table>
            <thead>
              <tr>
                <th>Session</th>
                <th>Protocol</th>
                <th>Waiting</th>
                <th>Subscriptions</th>
              </tr>
            </thead>
            <tbody>
              {away.value.items.map((s) => (
                <tr key={`${s.protocol} ${s.name}`} class={chosen.value?.name === s.name ? 'chosen' : ''}>
                  <td>
                    <button
                      type="button"
                      class="link"
                      onClick={() => {
                        chosen.value = s;
                      }}
                    >
                      {s.name}
                    </button>
                  </td>
                  <td>{s.protocol}</td>
                  <td>{count(s.waiting)}</td>
                  <td>{s.subscriptions}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
        <section class="card">
          {shown.value === undefined ? (
            <p class="quiet">{chosen.value === undefined ? 'Choose a client.' : 'It has no session.'}</p>
          ) : (
            <SessionCard shown={shown.value} act={act} />
          )}
          {chosen.value !== undefined && (
            <>
              <h2>History</h2>
              <ol class="happened">
                {happened.value
                  .filter((e) => (e.client?.client ?? e.session) === chosen.value!.name)
                  .map((e) => (
                    <li key={`${e.at}${e.kind}${e.filter}`}>
                      <time>{clock(e.at)}</time> {e.kind} {e.filter}
                    </li>
                  ))}
              </ol>
            </>
          )}
        </section>
      </div>
    </div>
  );
}

interface CardProps {
  readonly shown: Shown;
  act(method: string, path: string): Promise<void>;
}

function SessionCard({ shown: { session, subscriptions }, act }: CardProps) {
  return (
    <>
      <h2>{session.name}</h2>
      <dl>
        <dt>State</dt>
        <dd>
          {session.attended ? 'connected' : 'away'}
          {session.stored ? ', survives a restart' : ''}
        </dd>
        <dt>Kept for</dt>
        <dd>{session.keepMs === null ? 'good' : span(session.keepMs)}</dd>
        <dt>Waiting</dt>
        <dd>
          {count(session.waiting)} ({bytes(session.waitingBytes)})
        </dd>
        <dt>Not acknowledged</dt>
        <dd>{count(session.unsettled)}</dd>
      </dl>
      <p class="actions">
        <button
          type="button"
          class="plain"
          disabled={session.waiting === 0}
          onClick={() => act('DELETE', `${pathOf(session)}/queue`)}
        >
          Purge queue
        </button>
        <button
          type="button"
          class="plain"
          disabled={session.attended}
          onClick={() => act('DELETE', pathOf(session))}
        >
          End session
        </button>
      </p>
      <h2>Subscriptions: {subscriptions.length}</h2>
      <ul>
        {subscriptions.map((s) => (
          <li key={s.filter}>
            <code>{s.filter}</code> <span class="quiet">QoS {s.qos}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

function pathOf({ protocol, name }: { readonly protocol: string; readonly name: string }): string {
  return `/sessions/${protocol}/${encodeURIComponent(name)}`;
}
