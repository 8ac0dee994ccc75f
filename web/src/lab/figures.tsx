// The figures of one network, of one run or two: the table, whose order the plots follow, and the plots.

import { useSignal } from '@preact/signals';
import type { Cell } from '../../../src/lab/result.ts';
import { DeliveryBars, EnergyBars, IdleBars, LatencyBars, LayerBars, type Row, SetUpBars } from './bars.tsx';
import { LatencyCdf } from './cdf.tsx';
import { Sweeps } from './sweeps.tsx';
import { MeasureTable, type Sort, sorted } from './table.tsx';

interface FiguresProps {
  /** The cells of each run on its network. */
  readonly runs: readonly (readonly Cell[])[];
  /** The points of their sweeps there. */
  readonly sweeps: readonly (readonly Cell[])[];
  readonly devices: readonly number[];
  /** How two runs are told apart; of one, nothing. */
  readonly names: readonly string[];
}

export function Figures({ runs, sweeps, devices, names }: FiguresProps) {
  const sort = useSignal<Sort | undefined>(undefined);
  const rows = sorted(rowsOf(runs), sort.value);
  const all = runs.flat();
  const idle = all.some((c) => c.idle.bytesPerHour > 0);
  return (
    <div class="stack">
      {all
        .filter((c) => c.failure !== undefined)
        .map((c) => (
          <p key={`${c.run} ${c.variant}`} class="saying bad">
            {c.variant}: {c.failure}
          </p>
        ))}
      <MeasureTable
        rows={rows}
        names={names}
        sort={sort.value}
        change={(next) => {
          sort.value = next;
        }}
      />
      <div class="lab-plots">
        <LayerBars rows={rows} names={names} />
        <LatencyBars rows={rows} names={names} />
        <LatencyCdf rows={rows} names={names} />
        <DeliveryBars rows={rows} names={names} />
        <SetUpBars rows={rows} names={names} />
        {idle && <IdleBars rows={rows} names={names} />}
        <EnergyBars rows={rows} names={names} />
        <Sweeps runs={sweeps} devices={devices} names={names} />
      </div>
    </div>
  );
}

/** Every variant that one of them has, in the order of the first that has it. */
function rowsOf(runs: readonly (readonly Cell[])[]): readonly Row[] {
  const variants = new Set(runs.flat().map((c) => c.variant));
  return [...variants].map((variant) => ({
    variant,
    cells: runs.map((cells) => cells.find((c) => c.variant === variant)),
  }));
}
