// The state of the hub, live: rates, connections, queues, drops, memory, event loop.

import type { ComponentChildren } from 'preact';
import { type Figures, happened, history, hub } from '../api.ts';
import { bytes, clock, count } from '../numbers.ts';

export function OverviewPage() {
  const figures = history.value;
  const now = figures.at(-1);
  if (now === undefined) return <p class="empty">Waiting for the hub's figures.</p>;
  const received = rates(figures, (f) => total(f, (p) => sum(p.received)));
  const delivered = rates(figures, (f) => total(f, (p) => sum(p.delivered)));
  const cpu = rates(figures, (f) => f.cpuSeconds * 100);
  const lag = ratios(figures);
  return (
    <div class="page">
      <h1>Overview</h1>
      <div class="tiles">
        <Tile title="Received" value={`${count(received.at(-1) ?? 0)}/s`} points={received} />
        <Tile title="Delivered" value={`${count(delivered.at(-1) ?? 0)}/s`} points={delivered} />
        <Tile title="Clients" value={count(now.clients)} points={figures.map((f) => f.clients)} />
        <Tile title="Waiting" value={count(now.queuedMessages)} points={figures.map((f) => f.queuedMessages)}>
          {bytes(now.queuedBytes)}
        </Tile>
        <Tile title="Memory" value={bytes(now.memoryBytes)} points={figures.map((f) => f.memoryBytes)} />
        <Tile title="CPU" value={`${(cpu.at(-1) ?? 0).toFixed(1)} %`} points={cpu} />
        <Tile title="Event loop lag" value={`${(lag.at(-1) ?? 0).toFixed(1)} ms`} points={lag} />
        <Tile title="Sessions" value={count(now.sessions)} points={figures.map((f) => f.sessions)}>
          {count(now.subscriptions)} subscriptions, {count(now.retained)} retained
        </Tile>
      </div>
      <div class="two">
        <section class="card">
          <h2>Protocols</h2>
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <th>Protocol</th>
                  <th>Clients</th>
                  <th>Received</th>
                  <th>Delivered</th>
                  <th>In</th>
                  <th>Out</th>
                  <th>Refused</th>
                </tr>
              </thead>
              <tbody>
                {Object.entries(now.protocols).map(([name, p]) => (
                  <tr key={name}>
                    <td>{name}</td>
                    <td>{count(p.clients)}</td>
                    <td>{count(sum(p.received))}</td>
                    <td>{count(sum(p.delivered))}</td>
                    <td>{bytes(p.bytesIn)}</td>
                    <td>{bytes(p.bytesOut)}</td>
                    <td>{count(p.refused + p.broken)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <h2>Dropped messages</h2>
          {Object.keys(now.dropped).length === 0 ? (
            <p class="quiet">None.</p>
          ) : (
            <ul>
              {Object.entries(now.dropped).map(([reason, n]) => (
                <li key={reason}>
                  {count(n)}: {reason}
                </li>
              ))}
            </ul>
          )}
          <h2>Listeners</h2>
          <ul>
            {hub.value?.listeners.map((l) => (
              <li key={l.address}>
                <code>{l.address}</code> <span class="quiet">{l.protocols.join(', ')}</span>
              </li>
            ))}
          </ul>
        </section>
        <section class="card">
          <h2>What happens</h2>
          {happened.value.length === 0 && <p class="quiet">Nothing yet.</p>}
          <ol class="happened">
            {happened.value.slice(0, 60).map((e, i) => (
              <li key={happened.value.length - i}>
                <time>{clock(e.at)}</time> {sentenceOf(e)}
              </li>
            ))}
          </ol>
        </section>
      </div>
    </div>
  );
}

function sentenceOf(e: (typeof happened.value)[number]): ComponentChildren {
  if (e.client !== undefined)
    return (
      <>
        <b>{e.client.client}</b> {e.kind === 'connected' ? 'connected' : e.graceful ? 'left' : 'was lost'}{' '}
        <span class="quiet">
          {e.client.protocol}, {e.client.remote}
        </span>
      </>
    );
  return (
    <>
      <b>{e.session}</b> {e.kind} <code>{e.filter}</code>
    </>
  );
}

interface TileProps {
  readonly title: string;
  readonly value: string;
  readonly points: readonly number[];
  readonly children?: ComponentChildren;
}

function Tile({ title, value, points, children }: TileProps) {
  return (
    <section class="tile">
      <h2>{title}</h2>
      <p class="figure">{value}</p>
      <p class="quiet">{children}</p>
      <Spark points={points} />
    </section>
  );
}

const SPARK_WIDTH = 180;
const SPARK_HEIGHT = 36;

export function Spark({ points }: { readonly points: readonly number[] }) {
  if (points.length < 2)
    return <svg class="spark" viewBox={`0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`} aria-hidden="true" />;
  const most = Math.max(...points, 1e-9);
  const least = Math.min(...points, 0);
  const x = (i: number) => (i / (points.length - 1)) * SPARK_WIDTH;
  const y = (v: number) => SPARK_HEIGHT - 2 - ((v - least) / (most - least)) * (SPARK_HEIGHT - 4);
  const line = points.map((v, i) => `${i === 0 ? 'M' : 'L'}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join('');
  return (
    <svg
      class="spark"
      viewBox={`0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <path class="area" d={`${line}L${SPARK_WIDTH} ${SPARK_HEIGHT}L0 ${SPARK_HEIGHT}Z`} />
      <path class="line" d={line} />
    </svg>
  );
}

type Protocol = Figures['protocols'][string];

function total(f: Figures, of: (p: Protocol) => number): number {
  return Object.values(f.protocols).reduce((all, p) => all + of(p), 0);
}

function sum(byQos: readonly number[]): number {
  return byQos.reduce((all, n) => all + n, 0);
}

/** What a counter grew by a second, between one figure and the next. */
function rates(figures: readonly Figures[], of: (f: Figures) => number): number[] {
  return figures.slice(1).map((f, i) => {
    const before = figures[i]!;
    const seconds = (f.at - before.at) / 1_000;
    return seconds > 0 ? Math.max(0, of(f) - of(before)) / seconds : 0; // a hub that was restarted counts from 0
  });
}

function ratios(figures: readonly Figures[]): number[] {
  return figures.slice(1).map((f, i) => {
    const samples = f.lagSamples - figures[i]!.lagSamples;
    return samples > 0 ? ((f.lagSeconds - figures[i]!.lagSeconds) / samples) * 1_000 : 0;
  });
}
