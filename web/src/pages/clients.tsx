// Clients and sessions: who is here, what they subscribed to, what waits for them, what they did; how to send one away, and keep one out.

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { api, history } from '../api.ts';
import { linkTo, route } from '../frame/route.ts';
import { count, when } from '../parts/numbers.ts';
import { Empty, Fault, Head, Search, Select } from '../parts/parts.tsx';
import { BansCard } from './bans.tsx';
import { type Client, ClientCard, type Session } from './client-card.tsx';

const PAGE = 100;

interface Page<T> {
  readonly total: number;
  readonly items: readonly T[];
}

const NONE = { total: 0, items: [] };

export function ClientsPage() {
  const search = useSignal('');
  const protocol = useSignal('');
  const clients = useSignal<Page<Client>>(NONE);
  const away = useSignal<Page<Session>>(NONE);
  const fault = useSignal('');
  const seconds = history.value.at(-1)?.at;
  const [, chosenProtocol, chosenName] = route.value;
  const chosen =
    chosenProtocol === undefined || chosenName === undefined
      ? undefined
      : { protocol: chosenProtocol, name: chosenName };

  const look = async () => {
    const query = new URLSearchParams({ limit: `${PAGE}` });
    if (search.value !== '') query.set('search', search.value);
    const sessions = new URLSearchParams(query);
    sessions.set('attended', 'false');
    if (protocol.value !== '') query.set('protocol', protocol.value);
    try {
      clients.value = await api(`/clients?${query}`);
      away.value = await api(`/sessions?${sessions}`);
      fault.value = '';
    } catch (error) {
      fault.value = (error as Error).message;
    }
  };
  // With each new figure, so once a second while the hub is there.
  useEffect(() => void look(), [seconds, search.value, protocol.value]);

  const protocols = Object.keys(history.value.at(-1)?.protocols ?? {});
  return (
    <div class="page">
      <Head title="Clients" about="Who is connected, and whose session waits for them to come back." />
      <div class="toolbar free">
        <Search
          label="Search clients"
          placeholder="client id, user or address"
          value={search.value}
          change={(value) => {
            search.value = value;
          }}
        />
        <Select
          label="Protocol"
          options={{ '': 'All protocols', ...Object.fromEntries(protocols.map((p) => [p, p])) }}
          value={protocol.value}
          choose={(p) => {
            protocol.value = p;
          }}
        />
      </div>
      <Fault says={fault.value} />
      <div class="main-and-side">
        <div class="stack">
          <section class="card scroll">
            <h2>
              Connected <span class="quiet number">{count(clients.value.total)}</span>
            </h2>
            {clients.value.items.length === 0 ? (
              <Empty icon="people" title="Nobody is here">
                <a href={linkTo('device')}>Connect a device</a>, or open a connection in the{' '}
                <a href={linkTo('test')}>test client</a>.
              </Empty>
            ) : (
              <table class="rows">
                <thead>
                  <tr>
                    <th>Client</th>
                    <th>Protocol</th>
                    <th class="wide-only">User</th>
                    <th class="wide-only">Address</th>
                    <th class="number">Since</th>
                  </tr>
                </thead>
                <tbody>
                  {clients.value.items.map((c) => (
                    <tr
                      key={`${c.protocol} ${c.client}`}
                      class={chosen?.name === c.client && chosen.protocol === c.protocol ? 'chosen' : ''}
                    >
                      <td>
                        <a class="mono" href={linkTo('clients', c.protocol, c.client)}>
                          {c.client}
                        </a>
                      </td>
                      <td>
                        <span class="badge">{c.protocol}</span>
                      </td>
                      <td class="wide-only quiet">{c.principal}</td>
                      <td class="wide-only quiet tabular">{c.remote}</td>
                      <td class="number quiet">{when(c.since)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
            {clients.value.total > PAGE && <p class="quiet small">The first {PAGE}; search for others.</p>}
          </section>
          {away.value.total > 0 && (
            <section class="card scroll">
              <h2>
                Away <span class="quiet number">{count(away.value.total)}</span>
              </h2>
              <table class="rows">
                <thead>
                  <tr>
                    <th>Session</th>
                    <th>Protocol</th>
                    <th class="number">Waiting</th>
                    <th class="number">Subscriptions</th>
                    <th class="number wide-only">Since</th>
                  </tr>
                </thead>
                <tbody>
                  {away.value.items.map((s) => (
                    <tr
                      key={`${s.protocol} ${s.name}`}
                      class={chosen?.name === s.name && chosen.protocol === s.protocol ? 'chosen' : ''}
                    >
                      <td>
                        <a class="mono" href={linkTo('clients', s.protocol, s.name)}>
                          {s.name}
                        </a>
                      </td>
                      <td>
                        <span class="badge">{s.protocol}</span>
                      </td>
                      <td class="number">{count(s.waiting)}</td>
                      <td class="number">{s.subscriptions}</td>
                      <td class="number wide-only quiet">{s.goneAt > 0 ? when(s.goneAt) : ''}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </section>
          )}
          <BansCard seconds={seconds} />
        </div>
        <section class="card" aria-label="Client">
          {chosen === undefined ? (
            <Empty icon="people" title="Choose a client">
              Its session, its subscriptions, its queue and its history are shown here.
            </Empty>
          ) : (
            <ClientCard key={`${chosen.protocol} ${chosen.name}`} {...chosen} changed={look} />
          )}
        </section>
      </div>
    </div>
  );
}
