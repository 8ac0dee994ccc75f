// The state of the hub, live: rates, connections, queues, drops, memory, event loop.

import type { ComponentChildren } from 'preact';
import { type Figures, happened, history, hub } from '../api.ts';
import { Chart, Spark } from '../parts/chart.tsx';
import { bytes, count, some, span } from '../parts/numbers.ts';
import { Empty, Head } from '../parts/parts.tsx';
import { deedOf, Happened } from './happened.tsx';
import { growth, lags, sum, total } from './rates.ts';

export function OverviewPage() {
  const figures = history.value;
  const now = figures.at(-1);
  if (now === undefined)
    return (
      <div class="page">
        <Head title="Overview" />
        <Empty icon="pulse" title="Waiting for the hub's figures">
          They come once a second.
        </Empty>
      </div>
    );
  const received = growth(figures, (f) => total(f, (p) => sum(p.received)));
  const delivered = growth(figures, (f) => total(f, (p) => sum(p.delivered)));
  const cpu = growth(figures, (f) => f.cpuSeconds * 100);
  const lag = lags(figures);
  const protocols = Object.entries(now.protocols);
  return (
    <div class="page">
      <Head title="Overview" about={`The last ${span(now.at - figures[0]!.at)}, once a second.`} />
      <section class="card" aria-label="Messages">
        <div class="row wrap legend-row">
          <Big title="received" value={`${count(received.at(-1) ?? 0)}/s`} colour={0} />
          <Big title="delivered" value={`${count(delivered.at(-1) ?? 0)}/s`} colour={1} />
        </div>
        <Chart
          times={figures.slice(1).map((f) => f.at / 1_000)}
          series={[
            { name: 'received', values: received, colour: 0 },
            { name: 'delivered', values: delivered, colour: 1 },
          ]}
          height={190}
          label="Messages a second"
          format={count}
        />
      </section>
      <div class="tiles">
        <Tile title="Clients" value={count(now.clients)} points={figures.map((f) => f.clients)}>
          {some(now.sessions, 'session')}, {some(now.subscriptions, 'subscription')}
        </Tile>
        <Tile title="Waiting" value={count(now.queuedMessages)} points={figures.map((f) => f.queuedMessages)}>
          {bytes(now.queuedBytes)} in queues
        </Tile>
        <Tile title="Retained" value={count(now.retained)} points={figures.map((f) => f.retained)}>
          {bytes(now.storeBytes)} in the store
        </Tile>
        <Tile title="Memory" value={bytes(now.memoryBytes)} points={figures.map((f) => f.memoryBytes)}>
          resident
        </Tile>
        <Tile title="CPU" value={`${(cpu.at(-1) ?? 0).toFixed(1)} %`} points={cpu}>
          of one core
        </Tile>
        <Tile title="Event loop lag" value={`${(lag.at(-1) ?? 0).toFixed(1)} ms`} points={lag}>
          how late it ran
        </Tile>
      </div>
      <div class="main-and-side">
        <div class="stack">
          <section class="card scroll">
            <h2>Protocols</h2>
            {protocols.length === 0 ? (
              <p class="quiet">Nobody has connected yet.</p>
            ) : (
              <table>
                <thead>
                  <tr>
                    <th>Protocol</th>
                    <th class="number">Clients</th>
                    <th class="number">Received</th>
                    <th class="number">Delivered</th>
                    <th class="number wide-only">In</th>
                    <th class="number wide-only">Out</th>
                    <th class="number wide-only">Refused</th>
                  </tr>
                </thead>
                <tbody>
                  {protocols.map(([name, p]) => (
                    <tr key={name}>
                      <td>{name}</td>
                      <td class="number">{count(p.clients)}</td>
                      <td class="number">{count(sum(p.received))}</td>
                      <td class="number">{count(sum(p.delivered))}</td>
                      <td class="number wide-only">{bytes(p.bytesIn)}</td>
                      <td class="number wide-only">{bytes(p.bytesOut)}</td>
                      <td class="number wide-only">{count(p.refused + p.broken)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          </section>
          <section class="card">
            <h2>Dropped messages</h2>
            <Dropped dropped={now.dropped} />
          </section>
          <section class="card">
            <h2>Listeners</h2>
            <ul class="listeners">
              {hub.value?.listeners.map((l) => (
                <li key={l.name + l.address} class="row wrap">
                  <code class="spread">{l.address}</code>
                  <span class="quiet small">{l.protocols.join(', ')}</span>
                </li>
              ))}
            </ul>
          </section>
        </div>
        <section class="card">
          <h2>What happens</h2>
          <Happened deeds={happened.value.slice(0, 60).map(deedOf)} />
        </section>
      </div>
    </div>
  );
}

function Dropped({ dropped }: { readonly dropped: Figures['dropped'] }) {
  const reasons = Object.entries(dropped).filter(([, n]) => n > 0);
  if (reasons.length === 0)
    return <p class="quiet">None: every message reached who it was for, or still waits.</p>;
  const most = Math.max(...reasons.map(([, n]) => n));
  return (
    <ul class="bars">
      {reasons.map(([reason, n]) => (
        <li key={reason}>
          <span>{reason.replaceAll('-', ' ')}</span>
          <span class="tabular">{count(n)}</span>
          <i style={{ width: `${(n / most) * 100}%` }} />
        </li>
      ))}
    </ul>
  );
}

function Big({
  title,
  value,
  colour,
}: {
  readonly title: string;
  readonly value: string;
  readonly colour: number;
}) {
  return (
    <div class={`big-figure colour${colour}`}>
      <i class="dot" />
      <strong class="tabular">{value}</strong>
      <span class="quiet small">{title}</span>
    </div>
  );
}

interface TileProps {
  readonly title: string;
  readonly value: string;
  readonly points: readonly number[];
  readonly children: ComponentChildren;
}

function Tile({ title, value, points, children }: TileProps) {
  return (
    <section class="card tile">
      <h2>{title}</h2>
      <p class="figure tabular">{value}</p>
      <p class="quiet small clip">{children}</p>
      <Spark points={points} />
    </section>
  );
}
