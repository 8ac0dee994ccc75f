// How large a run may be that the hub makes beside its work: checked before it begins, and bounded while it runs.

import type { Plan } from '../../lab/workload.ts';

export interface LabLimits {
  /** Deliveries of all cells together. */
  readonly messages: number;
  readonly cells: number;
  /** Payload octets of all cells together, which might be under way at the same time. */
  readonly octets: number;
  /** Simulated clients of all cells together. */
  readonly clients: number;
  /** Then a run is stopped, and what is finished of it is kept. */
  readonly wallMs: number;
  /** Of the thread that runs it. */
  readonly heapMb: number;
}

export const LAB_LIMITS: LabLimits = {
  messages: 100_000,
  cells: 600,
  octets: 100_000_000,
  clients: 20_000,
  wallMs: 600_000,
  heapMb: 512,
};

/** What is too much, in a sentence with the remedy; undefined: nothing is. */
export function excessOf({ workload: w }: Plan, cells: number, limits: LabLimits): string | undefined {
  const remedy = "ask for less here, or use 'waymeet lab run'";
  if (cells > limits.cells)
    return `${cells} cells (variants times networks) are more than ${limits.cells}: ${remedy}`;
  const messages = cells * w.messages * w.fanOut;
  if (messages > limits.messages)
    return `${cells} cells of ${w.messages * w.fanOut} messages are more than ${limits.messages}: ${remedy}`;
  const octets = messages * w.payload.bytes;
  if (octets > limits.octets)
    return `${messages} messages of ${w.payload.bytes} octets are more than ${limits.octets} octets: ${remedy}`;
  const clients = cells * (w.devices + w.fanOut + w.memoryClients);
  if (clients > limits.clients)
    return `${clients} clients in ${cells} cells are more than ${limits.clients}: ${remedy}`;
  return undefined;
}
