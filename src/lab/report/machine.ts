// What a run cost the machine that ran it: apart from the figures, because no seed repeats it.

import type { Cell } from '../result.ts';
import type { Run } from './read.ts';

export interface MachineRow {
  readonly variant: string;
  /** In the code of all clients, and of the hub with its towers; µs for each message published. */
  readonly clientUs: number;
  readonly serverUs: number;
  /** Heap and buffers of an idle client, both ends of it; undefined: not measured. */
  readonly bytesPerClient: number | undefined;
}

export const MACHINE_COLUMNS = ['client µs/msg', 'server µs/msg', 'kB a client'] as const;

export const MACHINE_NOTE =
  'Not of the seed but of the machine, and another time others: time in the code of clients and of the server for each message, of the network that took least, without TLS, DTLS and the system; memory of an idle client, both ends and the simulated connection.';

/** A row for each variant: the least of its networks, which is what nothing else disturbed. */
export function machineOf(run: Run): MachineRow[] {
  return run.head.variants.flatMap(({ id }) => {
    const cells = run.cells.filter((c) => c.variant === id && c.messages.published > 0);
    if (cells.length === 0) return [];
    const least = (of: (c: Cell) => number): number => Math.min(...cells.map(of));
    return [
      {
        variant: id,
        clientUs: least((c) => (1_000 * c.host.clientMs) / c.messages.published),
        serverUs: least((c) => (1_000 * c.host.serverMs) / c.messages.published),
        bytesPerClient: cells.find((c) => c.host.bytesPerClient !== undefined)?.host.bytesPerClient,
      },
    ];
  });
}

/** As text, in the order of MACHINE_COLUMNS. */
export function machineTexts(row: MachineRow): string[] {
  const { clientUs, serverUs, bytesPerClient } = row;
  return [
    clientUs.toFixed(0),
    serverUs.toFixed(0),
    bytesPerClient === undefined ? '–' : (bytesPerClient / 1_000).toFixed(1),
  ];
}
