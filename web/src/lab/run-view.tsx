// One run: how far it is, what it measured so far, and what can be done with it.

import { useSignal } from '@preact/signals';
import { api, role } from '../api.ts';
import { linkTo } from '../frame/route.ts';
import { Icon } from '../parts/icons.tsx';
import { when } from '../parts/numbers.ts';
import { Certain, Choice, Fault, Notice } from '../parts/parts.tsx';
import { Figures } from './figures.tsx';
import { fault, inWords, loadRuns, type RunFacts, type Seen, trying, useRun } from './runs.ts';

export function RunView({ run }: { readonly run: string }) {
  const seen = useSignal<Seen | undefined>(undefined);
  const lost = useSignal('');
  useRun(run, (next, why) => {
    if (next !== undefined || why === '') seen.value = next;
    lost.value = why;
  });
  const { value } = seen;
  return (
    <div class="stack">
      <Fault says={lost.value === '' ? fault.value : lost.value} />
      {value === undefined ? (
        lost.value === '' && <p class="quiet">Loading …</p>
      ) : (
        <>
          <RunHeadCard facts={value.facts} />
          <OneRun seen={value} />
        </>
      )}
    </div>
  );
}

function OneRun({ seen: { facts, cells, sweeps } }: { readonly seen: Seen }) {
  const chosen = useSignal(facts.networks[0]!);
  const shown = cells.filter((c) => c.network === chosen.value);
  return (
    <>
      <Networks names={facts.networks} value={chosen} />
      {shown.length > 0 ? (
        <Figures
          runs={[shown]}
          sweeps={[sweeps.filter((c) => c.network === chosen.value)]}
          devices={[facts.workload.devices]}
          names={[]}
        />
      ) : (
        <p class="quiet">
          {facts.state === 'running'
            ? 'Nothing is measured here yet.'
            : 'Nothing was measured here: the run ended before.'}
        </p>
      )}
    </>
  );
}

function Networks({
  names,
  value,
}: {
  readonly names: readonly string[];
  readonly value: { value: string };
}) {
  if (names.length < 2) return null;
  return (
    <Choice
      label="Network"
      options={Object.fromEntries(names.map((name) => [name, name]))}
      value={value.value}
      choose={(name) => {
        value.value = name;
      }}
    />
  );
}

const STATES: Readonly<Record<RunFacts['state'], string>> = {
  running: 'is on its way',
  done: 'done',
  interrupted: 'stopped before its end',
  failed: 'failed',
};

function RunHeadCard({ facts }: { readonly facts: RunFacts }) {
  const { run, state, seed, version, startedAt, workload, networks, variants, reason } = facts;
  const report = (as: string) => `/api/v1/lab/runs/${run}/report?as=${as}`;
  return (
    <section class="card stack tight" aria-label="Run">
      <div class="row wrap top">
        <h2 class="spread">
          Run <code>{run}</code>
        </h2>
        <span role="status">
          <span class={`badge ${state === 'done' ? 'good' : state === 'failed' ? 'bad' : 'warn'}`}>
            {STATES[state]}
          </span>
        </span>
      </div>
      <p>
        {inWords(workload)}; {variants.length} variants on {networks.join(', ')}.
      </p>
      <p class="quiet small">
        {when(startedAt)}, seed {seed}, waymeet {version}
        {state !== 'running' && (facts.onDisk ? ', on disk' : ', in memory: it is gone with the hub')}
      </p>
      {reason !== undefined && <Notice kind="warn">{reason}</Notice>}
      {state === 'running' ? (
        <Progress
          facts={facts}
          stopped={() => {
            // Of what has nothing finished, nothing is kept.
            if (facts.done < 1) location.hash = linkTo('lab');
          }}
        />
      ) : (
        <div class="row wrap">
          {(['html', 'csv', 'ndjson'] as const).map((as) => (
            <a key={as} class="button-like" href={report(as)} download>
              <Icon name="down" /> {REPORTS[as]}
            </a>
          ))}
          {networks.length > 1 && (
            <a class="button-like" href={linkTo('lab', 'overlay', run, run)}>
              <Icon name="layers" /> Overlay networks
            </a>
          )}
          {role.value !== 'viewer' && (
            <Certain
              label="Delete"
              sure="Delete it for good?"
              act={() =>
                void trying(async () => {
                  await api(`/lab/runs/${run}`, 'DELETE');
                  await loadRuns();
                  location.hash = linkTo('lab');
                })
              }
            />
          )}
        </div>
      )}
    </section>
  );
}

const REPORTS = { html: 'Report', csv: 'CSV', ndjson: 'JSON lines' } as const;

interface ProgressProps {
  readonly facts: RunFacts;
  stopped?(): void;
}

export function Progress({ facts: { run, done, cells }, stopped }: ProgressProps) {
  return (
    <div class="row">
      <progress class="spread" aria-label="Progress" value={done} max={cells} />
      <span class="tabular small">
        {Math.floor(done)} of {cells}
      </span>
      {role.value !== 'viewer' && (
        <button
          type="button"
          onClick={() =>
            void trying(async () => {
              await api(`/lab/runs/${run}/stop`, 'POST');
              stopped?.();
            })
          }
        >
          <Icon name="cross" /> Stop
        </button>
      )}
    </div>
  );
}
