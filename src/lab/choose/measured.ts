// Figures that there are already, from runs that were kept; and the runs that would bring those that are missing.

import type { Cell, RunHead } from '../result.ts';
import { planOf, type WorkloadInput } from '../workload.ts';
import type { Need, Scenario } from './scenario.ts';

/** Where advice has its figures from. */
export interface Evidence {
  /** Of one scenario, as many variants as were measured. */
  cells(scenario: Scenario): readonly Cell[];
}

/** Kept runs of one version, by what was measured: who measured it, and with which others, does not matter. */
export class Measured implements Evidence {
  private readonly version: string;
  private readonly byScenario = new Map<string, Map<string, Cell>>();

  constructor(version: string) {
    this.version = version;
  }

  /** Cells of a run with its head. What another version measured is left. */
  add(head: RunHead, cells: readonly Cell[]): void {
    if (head.version !== this.version) return;
    for (const cell of cells) {
      const network = head.networks.find((n) => n.name === cell.network);
      if (network === undefined || cell.point !== undefined) continue;
      const key = keyOf(head.workload as object, network);
      const known = this.byScenario.get(key) ?? new Map<string, Cell>();
      known.set(cell.variant, cell);
      this.byScenario.set(key, known);
    }
  }

  cells({ workload, network }: Scenario): readonly Cell[] {
    const plan = planOf({ ...workload, networks: [network] });
    return [...(this.byScenario.get(keyOf(plan.workload, plan.networks[0]!))?.values() ?? [])];
  }

  /** The runs to be made: what has the same workload and variants goes into one. Throws WorkloadError. */
  missing(needs: readonly Need[]): WorkloadInput[] {
    const runs = new Map<string, { workload: object; variants: string[]; networks: Scenario['network'][] }>();
    for (const { scenario, variants } of needs) {
      const there = new Set(this.cells(scenario).map((c) => c.variant));
      const rest = variants.filter((id) => !there.has(id));
      if (rest.length === 0) continue;
      const key = JSON.stringify([scenario.workload, rest]);
      const run = runs.get(key) ?? { workload: scenario.workload, variants: rest, networks: [] };
      run.networks.push(scenario.network);
      runs.set(key, run);
    }
    return [...runs.values()].map(({ workload, variants, networks }) => ({
      ...workload,
      variants,
      networks,
    }));
  }
}

/** What decides about a cell's figures besides its variant. */
function keyOf(workload: object, network: object): string {
  const {
    variants: _variants,
    networks: _networks,
    sweeps: _sweeps,
    memoryClients: _memoryClients,
    qos: _qos,
    security: _security,
    ...rest
  } = workload as Record<string, unknown>;
  return JSON.stringify([rest, network]);
}

/** The figures of one run, whatever it was made for: its networks by their names, and its own workload. */
export function evidenceOf(cells: readonly Cell[]): Evidence {
  return {
    cells: ({ name, plain, network }) => {
      const named = cells.filter((c) => c.network === name);
      // What is said of a NAT changes the network's name; a worse one must have been measured.
      const worse =
        typeof network === 'object' && (network.loss !== undefined || network.upKbps !== undefined);
      return named.length > 0 || worse ? named : cells.filter((c) => c.network === plain);
    },
  };
}
