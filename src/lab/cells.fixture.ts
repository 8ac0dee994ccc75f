// One cell as a test wants it: quiet, small, and what one message more costs.

import { expect } from 'vitest';
import type { Bytes, Cell } from './result.ts';
import { runJob } from './run.ts';
import { planOf, type WorkloadInput } from './workload.ts';

export const QUIET: WorkloadInput = {
  networks: ['lan'],
  messages: 20,
  payload: { bytes: 10 },
  topic: 'sensors/0/temp',
  keepAliveSeconds: 0,
  idleMinutes: 0,
};

export async function cellOf(variant: string, input: WorkloadInput): Promise<Cell> {
  const cell = await runJob(planOf({ ...QUIET, ...input, variants: [variant] }), 'test', {
    variant: 0,
    network: 0,
  });
  expect(cell.failure).toBeUndefined();
  return cell;
}

export type PerMessage = Bytes & { readonly up: number; readonly down: number };

/** What one message more costs: everything that happens once is the same in both runs. */
export async function each(variant: string, input: WorkloadInput = {}): Promise<PerMessage> {
  const few = await cellOf(variant, { ...input, messages: 20 });
  const more = await cellOf(variant, { ...input, messages: 30 });
  const per = (a: number, b: number): number => (b - a) / 10;
  const bytes = Object.fromEntries(
    Object.keys(few.bytes).map((k) => [k, per(few.bytes[k as keyof Bytes], more.bytes[k as keyof Bytes])]),
  ) as unknown as Bytes;
  return {
    ...bytes,
    up: per(few.packets.up, more.packets.up),
    down: per(few.packets.down, more.packets.down),
  };
}

// Octets around a packet on Ethernet with IPv4: 14 and 4, then 20; TCP with timestamps 32; UDP 8.
export const ETHERNET = 18;
export const IPV4 = 20;
export const TCP = ETHERNET + IPV4 + 32;
export const UDP = ETHERNET + IPV4 + 8;
/** A shorter IP packet is padded to 46. */
export const padded = (packet: number): number => Math.max(packet, ETHERNET + 46);
export const TOPIC = 'sensors/0/temp'.length;
export const PAYLOAD = 10;
