// Two runs over each other, or two networks of one: the same plots with both, and a table of what lies between them.

import { type Signal, useSignal } from '@preact/signals';
import { linkTo } from '../frame/route.ts';
import { when } from '../parts/numbers.ts';
import { Fault, Select } from '../parts/parts.tsx';
import { Figures } from './figures.tsx';
import { inWords, type Seen, useRun } from './runs.ts';

const NAMES = ['A', 'B'] as const;

export function Overlay({ one, other }: { readonly one: string; readonly other: string }) {
  const seen = [useSignal<Seen | undefined>(undefined), useSignal<Seen | undefined>(undefined)] as const;
  const faults = [useSignal(''), useSignal('')] as const;
  const networks = [useSignal(''), useSignal('')] as const;
  for (const [i, run] of [one, other].entries())
    useRun(run, (next, why) => {
      if (next !== undefined || why === '') seen[i]!.value = next;
      faults[i]!.value = why;
    });
  const [a, b] = seen.map((s) => s.value);
  const shared = a?.facts.networks.find((n) => b?.facts.networks.includes(n));
  // One run over itself: two of its networks.
  const usual = one === other ? [a?.facts.networks[0], a?.facts.networks[1]] : [shared, shared];
  const chosen = [a, b].map((s, i) => networks[i]!.value || (usual[i] ?? s?.facts.networks[0] ?? ''));
  return (
    <div class="stack">
      {faults.map((f, i) => (
        <Fault key={NAMES[i]} says={f.value} />
      ))}
      <div class="halves">
        {[a, b].map((s, i) => (
          <Which key={NAMES[i]} name={NAMES[i]!} seen={s} chosen={chosen[i]!} network={networks[i]!} />
        ))}
      </div>
      {a !== undefined && b !== undefined && (
        <Figures
          runs={[a, b].map(({ cells }, i) => cells.filter((c) => c.network === chosen[i]))}
          sweeps={[a, b].map(({ sweeps }, i) => sweeps.filter((c) => c.network === chosen[i]))}
          devices={[a, b].map(({ facts }) => facts.workload.devices)}
          names={NAMES}
        />
      )}
    </div>
  );
}

interface WhichProps {
  readonly name: string;
  readonly seen: Seen | undefined;
  readonly chosen: string;
  readonly network: Signal<string>;
}

function Which({ name, seen, chosen, network }: WhichProps) {
  if (seen === undefined) return <section class="card quiet">Loading …</section>;
  const { run, workload, seed, version, startedAt, networks } = seen.facts;
  return (
    <section class="card stack tight" aria-label={`Run ${name}`}>
      <div class="row wrap">
        <h2 class="spread">
          <b class="lab-which">{name}</b>{' '}
          <a href={linkTo('lab', 'run', run)}>
            <code>{run}</code>
          </a>
        </h2>
        <Select
          label={`Network of ${name}`}
          options={Object.fromEntries(networks.map((n) => [n, n]))}
          value={chosen}
          choose={(value) => {
            network.value = value;
          }}
        />
      </div>
      <p>{inWords(workload)}</p>
      <p class="quiet small">
        {when(startedAt)}, seed {seed}, waymeet {version}
      </p>
    </section>
  );
}
