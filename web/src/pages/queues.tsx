// The work queues, and the sessions whose messages wait: what waits, for whom, and how to empty them.

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { api, history, mayChange } from '../api.ts';
import { linkTo, route } from '../frame/route.ts';
import { bytes, count, some, span } from '../parts/numbers.ts';
import { Certain, Copy, Empty, Fault, Head, Search } from '../parts/parts.tsx';
import type { Session } from './client-card.tsx';
import { HeldMessages } from './held.tsx';

interface Queue {
  readonly name: string;
  readonly declared: boolean;
  readonly waiting: number;
  readonly waitingBytes: number;
  readonly unsettled: number;
  readonly consumers: number;
  readonly bindings: readonly string[];
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
  readonly singleActive: boolean;
  readonly overflow: 'drop-oldest' | 'drop-newest';
  readonly maxPriority: number;
  readonly deadLetter: string;
  readonly expiresMs: number | null;
  readonly messageTtlMs: number | null;
  readonly maxMessages: number | null;
  readonly maxBytes: number | null;
  readonly maxDeliveries: number | null;
}

const PAGE = 100;

export function QueuesPage() {
  const search = useSignal('');
  const queues = useSignal<{ total: number; items: readonly Queue[] }>({ total: 0, items: [] });
  const sessions = useSignal<readonly Session[]>([]);
  const fault = useSignal('');
  const seconds = history.value.at(-1)?.at;
  const chosen = queues.value.items.find((q) => q.name === route.value[1]);

  const look = async () => {
    const query = new URLSearchParams({ limit: `${PAGE}` });
    if (search.value !== '') query.set('search', search.value);
    try {
      queues.value = await api(`/queues?${query}`);
      const { items } = await api<{ items: Session[] }>(`/sessions?${query}`);
      sessions.value = items.filter((s) => s.waiting > 0).sort((a, b) => b.waiting - a.waiting);
      fault.value = '';
    } catch (error) {
      fault.value = (error as Error).message;
    }
  };
  useEffect(() => void look(), [seconds, search.value]);

  const act = async (path: string) => {
    try {
      await api(path, 'DELETE');
    } catch (error) {
      fault.value = (error as Error).message;
      return;
    }
    await look();
  };
  return (
    <div class="page">
      <Head
        title="Queues"
        about={
          <>
            Work queues, <code>$queue/…</code> in every protocol: each message goes to one consumer. And
            sessions for which messages wait.
          </>
        }
      />
      <div class="toolbar free">
        <Search
          label="Search queues"
          placeholder="search queues and sessions"
          value={search.value}
          change={(value) => {
            search.value = value;
          }}
        />
      </div>
      <Fault says={fault.value} />
      <div class="main-and-side">
        <div class="stack">
          <section class="card scroll" aria-label="Work queues">
            <h2>
              Work queues <span class="quiet number">{count(queues.value.total)}</span>
            </h2>
            {queues.value.items.length === 0 ? (
              <Empty icon="layers" title="No work queue">
                It comes with the first message that is published to <code>$queue/jobs</code>, or the first
                consumer.
              </Empty>
            ) : (
              <table class="rows">
                <thead>
                  <tr>
                    <th>Queue</th>
                    <th class="number">Waiting</th>
                    <th class="number wide-only">Octets</th>
                    <th class="number">Not acknowledged</th>
                    <th class="number">Consumers</th>
                  </tr>
                </thead>
                <tbody>
                  {queues.value.items.map((q) => (
                    <tr key={q.name} class={q === chosen ? 'chosen' : ''}>
                      <td>
                        <a class="mono" href={linkTo('queues', q.name)}>
                          {q.name}
                        </a>
                      </td>
                      <td class="number">{count(q.waiting)}</td>
                      <td class="number wide-only quiet">{bytes(q.waitingBytes)}</td>
                      <td class="number">{count(q.unsettled)}</td>
                      <td class="number">
                        {q.consumers === 0 && q.waiting > 0 ? (
                          <span class="badge warn">nobody</span>
                        ) : (
                          count(q.consumers)
                        )}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          </section>
          <section class="card scroll" aria-label="Sessions">
            <h2>Sessions with messages that wait</h2>
            {sessions.value.length === 0 ? (
              <p class="quiet">None: everybody has what was for them.</p>
            ) : (
              <ul class="bars">
                {sessions.value.map((s) => (
                  <li key={`${s.protocol} ${s.name}`}>
                    <a class="mono" href={linkTo('clients', s.protocol, s.name)}>
                      {s.name}
                    </a>
                    <span class="tabular">
                      {count(s.waiting)} <span class="quiet small">{bytes(s.waitingBytes)}</span>
                    </span>
                    <i style={{ width: `${(s.waiting / sessions.value[0]!.waiting) * 100}%` }} />
                  </li>
                ))}
              </ul>
            )}
          </section>
        </div>
        <section class="card" aria-label="Queue">
          {chosen === undefined ? (
            <Empty icon="layers" title="Choose a queue">
              What it was declared with, and the messages in it, are shown here.
            </Empty>
          ) : (
            <Whole key={chosen.name} queue={chosen} act={act} />
          )}
        </section>
      </div>
    </div>
  );
}

function Whole({ queue: q, act }: { readonly queue: Queue; act(path: string): Promise<void> }) {
  const path = `/queues/${encodeURIComponent(q.name)}`;
  const nature = [
    q.declared ? 'declared' : 'undeclared: goes when it is empty and alone',
    q.durable && 'durable',
    q.exclusive && 'exclusive',
    q.autoDelete && 'auto-delete',
    q.singleActive && 'single active consumer',
  ].filter((word) => word !== false);
  const limits: [string, string | null][] = [
    ['Most messages', q.maxMessages === null ? null : count(q.maxMessages)],
    ['Most octets', q.maxBytes === null ? null : bytes(q.maxBytes)],
    ['When full', q.overflow === 'drop-oldest' ? 'the oldest makes room' : 'the newest is refused'],
    ['Message lifetime', q.messageTtlMs === null ? null : span(q.messageTtlMs)],
    ['Ends unused after', q.expiresMs === null ? null : span(q.expiresMs)],
    ['Deliveries', q.maxDeliveries === null ? null : `${q.maxDeliveries} at most`],
    ['Priorities', q.maxPriority === 0 ? null : `0 to ${q.maxPriority}`],
    ['Dead letters to', q.deadLetter === '' ? null : q.deadLetter],
  ];
  return (
    <div class="stack">
      <div class="row top">
        <h2 class="spread">
          <code>{q.name}</code>
        </h2>
        <Copy text={`$queue/${q.name}`} label="Copy the topic" />
      </div>
      <p class="row wrap small">
        {nature.map((word) => (
          <span key={word} class="badge">
            {word}
          </span>
        ))}
      </p>
      <dl>
        <dt>Waiting</dt>
        <dd>
          {count(q.waiting)}, {bytes(q.waitingBytes)}
        </dd>
        <dt>Not acknowledged</dt>
        <dd>{count(q.unsettled)}</dd>
        <dt>Consumers</dt>
        <dd>{count(q.consumers)}</dd>
        {limits
          .filter(([, value]) => value !== null)
          .map(([name, value]) => [<dt key={name}>{name}</dt>, <dd key={`${name} value`}>{value}</dd>])}
      </dl>
      {q.bindings.length > 0 && (
        <div>
          <h2>Bound to</h2>
          <ul class="plain-list">
            {q.bindings.map((filter) => (
              <li key={filter}>
                <code>{filter}</code>
              </li>
            ))}
          </ul>
        </div>
      )}
      <p class="row wrap">
        <a class="button-like" href={linkTo('trace', 'topic', `$queue/${q.name}`)}>
          Trace
        </a>
        {q.waiting > 0 && mayChange() && (
          <Certain
            label="Purge"
            sure={`Discard ${some(q.waiting, 'message')}?`}
            act={() => act(`${path}/messages`)}
          />
        )}
        {mayChange() && <Certain label="End queue" sure="End it for good?" act={() => act(path)} />}
      </p>
      {q.waiting + q.unsettled > 0 && (
        <HeldMessages path={`${path}/messages`} waiting={q.waiting} unsettled={q.unsettled} />
      )}
    </div>
  );
}
