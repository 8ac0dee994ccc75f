// One client: how it stands, its session and subscriptions, what waits for it, what it did, and what can be done with it.

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { api, history, mayChange } from '../api.ts';
import { linkTo } from '../frame/route.ts';
import { Icon } from '../parts/icons.tsx';
import { bytes, count, some, span, when } from '../parts/numbers.ts';
import { Certain, Copy, Fault } from '../parts/parts.tsx';
import { BanFold } from './bans.tsx';
import { type Deed, Happened } from './happened.tsx';
import { HeldMessages } from './held.tsx';

export interface Client {
  readonly protocol: string;
  readonly client: string;
  readonly principal: string;
  readonly remote: string;
  readonly since: number;
}

export interface Session {
  readonly protocol: string;
  readonly name: string;
  readonly attended: boolean;
  readonly stored: boolean;
  readonly keepMs: number | null;
  readonly goneAt: number;
  readonly waiting: number;
  readonly waitingBytes: number;
  readonly unsettled: number;
  readonly subscriptions: number;
}

interface SessionWhole {
  readonly session: Session;
  readonly subscriptions: readonly { readonly filter: string; readonly qos: number }[];
}

interface Props {
  readonly protocol: string;
  readonly name: string;
  changed(): Promise<void>;
}

export function ClientCard({ protocol, name, changed }: Props) {
  const client = useSignal<Client | undefined>(undefined);
  const session = useSignal<SessionWhole | undefined>(undefined);
  const deeds = useSignal<readonly Deed[]>([]);
  const fault = useSignal('');
  const seconds = history.value.at(-1)?.at;
  const words = `${encodeURIComponent(protocol)}/${encodeURIComponent(name)}`;

  const look = async () => {
    client.value = await api<Client>(`/clients/${words}`).catch(() => undefined);
    session.value = await api<SessionWhole>(`/sessions/${words}`).catch(() => undefined);
    const story = await api<{ items: Deed[] }>(`/clients/${words}/history`).catch(() => ({ items: [] }));
    deeds.value = story.items.reverse();
  };
  useEffect(() => void look(), [seconds, words]);

  const act = async (method: string, path: string) => {
    try {
      await api(path, method);
      fault.value = '';
    } catch (error) {
      fault.value = (error as Error).message;
    }
    await look();
    await changed();
  };
  const c = client.value;
  const s = session.value?.session;
  return (
    <div class="stack">
      <div class="row top">
        <h2 class="spread">
          <code>{name}</code>
        </h2>
        <Copy text={name} label="Copy the client id" />
      </div>
      <p class="row wrap small">
        <span class={`badge ${c === undefined ? '' : 'good'}`}>{c === undefined ? 'away' : 'connected'}</span>
        <span class="badge">{protocol}</span>
        {s?.stored && <span class="badge">survives a restart</span>}
      </p>
      <dl>
        {c !== undefined && (
          <>
            <dt>User</dt>
            <dd>{c.principal}</dd>
            <dt>Address</dt>
            <dd>{c.remote}</dd>
            <dt>Since</dt>
            <dd>{when(c.since)}</dd>
          </>
        )}
        {s !== undefined && (
          <>
            <dt>Session kept</dt>
            <dd>
              {s.keepMs === null
                ? 'for good'
                : s.keepMs === 0
                  ? 'no longer than the connection'
                  : span(s.keepMs)}
            </dd>
            <dt>Waiting</dt>
            <dd>
              {count(s.waiting)}, {bytes(s.waitingBytes)}
            </dd>
            <dt>Not acknowledged</dt>
            <dd>{count(s.unsettled)}</dd>
          </>
        )}
      </dl>
      <Fault says={fault.value} />
      <p class="row wrap">
        <a class="button-like" href={linkTo('trace', 'client', protocol, name)}>
          <Icon name="scan" /> Trace
        </a>
        {c !== undefined && mayChange() && (
          <button type="button" class="danger" onClick={() => act('DELETE', `/clients/${words}`)}>
            Disconnect
          </button>
        )}
        {s !== undefined && s.waiting > 0 && mayChange() && (
          <Certain
            label="Purge queue"
            sure={`Discard ${some(s.waiting, 'message')}?`}
            act={() => act('DELETE', `/sessions/${words}/queue`)}
          />
        )}
        {s !== undefined && !s.attended && mayChange() && (
          <Certain
            label="End session"
            sure="End it for good?"
            act={() => act('DELETE', `/sessions/${words}`)}
          />
        )}
      </p>
      <BanFold client={c ?? { client: name }} />
      {s !== undefined && s.waiting + s.unsettled > 0 && (
        <HeldMessages path={`/sessions/${words}/queue`} waiting={s.waiting} unsettled={s.unsettled} />
      )}
      {session.value !== undefined && (
        <div>
          <h2>
            Subscriptions <span class="quiet number">{session.value.subscriptions.length}</span>
          </h2>
          <ul class="plain-list">
            {session.value.subscriptions.map((one) => (
              <li key={one.filter} class="row">
                <code class="spread">{one.filter}</code>
                <span class="badge">QoS {one.qos}</span>
              </li>
            ))}
          </ul>
        </div>
      )}
      <section aria-label="History">
        <h2>History</h2>
        <Happened deeds={deeds.value} />
      </section>
    </div>
  );
}
