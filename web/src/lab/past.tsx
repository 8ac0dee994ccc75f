// The runs that are kept: looked at again, two of them over each other, deleted.

import { useSignal } from '@preact/signals';
import { api, role } from '../api.ts';
import { linkTo } from '../frame/route.ts';
import { Icon } from '../parts/icons.tsx';
import { when } from '../parts/numbers.ts';
import { Certain, Empty, Notice } from '../parts/parts.tsx';
import { toggled } from './draft.ts';
import { inWords, loadRuns, type RunFacts, type Runs, trying } from './runs.ts';

const PAIR = 2;

export function PastRuns({ of: { items, folder, problems } }: { readonly of: Runs }) {
  const marked = useSignal<ReadonlySet<string>>(new Set());
  const both = items.filter((r) => marked.value.has(r.run));
  return (
    <section class="card stack tight" aria-label="Past runs">
      <div class="row wrap">
        <h2 class="spread">Past runs</h2>
        <a
          class="button-like"
          aria-disabled={both.length !== PAIR}
          title="Choose two of them below"
          // The older one comes first: what changed since.
          href={both.length === PAIR ? linkTo('lab', 'overlay', both[1]!.run, both[0]!.run) : undefined}
        >
          <Icon name="layers" /> Overlay two
        </a>
      </div>
      {problems.map((problem) => (
        <Notice key={problem} kind="warn">
          {problem}
        </Notice>
      ))}
      {items.length === 0 ? (
        <Empty icon="flask" title="No run yet">
          The first one is a button away; it takes some seconds.
        </Empty>
      ) : (
        <ul class="lab-past">
          {items.map((facts) => (
            <Past
              key={facts.run}
              facts={facts}
              marked={marked.value.has(facts.run)}
              full={both.length >= PAIR}
              mark={(wanted) => {
                marked.value = toggled(marked.value, facts.run, wanted);
              }}
            />
          ))}
        </ul>
      )}
      <p class="quiet small">
        {folder === undefined
          ? 'This hub keeps nothing on disk (store.durability is memory): runs are gone when it stops.'
          : `Kept in ${folder}, the newest 50; waymeet lab report reads the files.`}
      </p>
    </section>
  );
}

interface PastProps {
  readonly facts: RunFacts;
  readonly marked: boolean;
  readonly full: boolean;
  mark(wanted: boolean): void;
}

function Past({ facts, marked, full, mark }: PastProps) {
  const { run, state, workload, variants, networks, startedAt, seed, version, done, cells, onDisk } = facts;
  return (
    <li>
      <input
        type="checkbox"
        aria-label={`Overlay ${run}`}
        checked={marked}
        disabled={state === 'running' || (full && !marked)}
        onChange={(e) => mark(e.currentTarget.checked)}
      />
      <div class="spread">
        <a href={linkTo('lab', 'run', run)}>{inWords(workload)}</a>
        <p class="small">
          {variants.length} variants on {networks.join(', ')}
        </p>
        <p class="quiet small">
          {when(startedAt)}, <code>{run}</code>, seed {seed}, waymeet {version}
        </p>
        <p class="row wrap">
          {state !== 'done' && (
            <span class={`badge ${state === 'failed' ? 'bad' : 'warn'}`}>
              {state}, {Math.floor(done)} of {cells}
            </span>
          )}
          {state !== 'running' && !onDisk && <span class="badge">in memory</span>}
        </p>
      </div>
      {role.value !== 'viewer' && (
        <Certain
          label="Delete"
          sure="For good?"
          act={() =>
            void trying(async () => {
              await api(`/lab/runs/${run}`, 'DELETE');
              mark(false);
              await loadRuns();
            })
          }
        />
      )}
    </li>
  );
}
