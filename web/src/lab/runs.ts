// What the lab offers and what it has run, as the admin API tells it.

import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Cell, RunEnd, RunHead, RunLine } from '../../../src/lab/result.ts';
import { api } from '../api.ts';

export interface VariantFacts {
  readonly id: string;
  readonly title: string;
  readonly family: string;
  readonly qos: 0 | 1 | 2;
  readonly guarantee: string;
  readonly security: 'none' | 'tls' | 'dtls';
  readonly transport: 'tcp' | 'udp';
}

export interface NetworkFacts {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  readonly delayMs: number;
  readonly loss: number;
  readonly upKbps: number;
  readonly downKbps: number;
}

export interface Catalogue {
  readonly variants: readonly VariantFacts[];
  readonly defaultVariants: readonly string[];
  readonly networks: readonly NetworkFacts[];
  readonly defaultNetworks: readonly string[];
  readonly questions: readonly {
    readonly id: string;
    readonly asks: string;
    readonly choices: readonly { readonly value: string; readonly about: string }[];
  }[];
  readonly maxMessages: number;
  readonly maxCells: number;
}

/** The parts of a workload that pages speak of. */
export interface WorkloadFacts {
  readonly messages: number;
  readonly devices: number;
  readonly rate: number;
  readonly payload: { readonly bytes: number; readonly shape: string };
  readonly direction: 'up' | 'down' | 'both';
  readonly fanOut: number;
  readonly retained: boolean;
  readonly reconnectEvery: number;
}

export interface RunFacts {
  readonly run: string;
  readonly state: 'running' | 'done' | 'interrupted' | 'failed';
  readonly startedAt: number;
  readonly seed: number;
  readonly version: string;
  readonly workload: WorkloadFacts;
  readonly variants: readonly string[];
  readonly networks: readonly string[];
  readonly done: number;
  readonly cells: number;
  readonly onDisk: boolean;
  readonly reason?: string;
}

export interface Runs {
  readonly items: readonly RunFacts[];
  /** Absent: they are gone with the hub. */
  readonly folder?: string;
  readonly problems: readonly string[];
}

/** A run with what is measured so far. */
export interface Seen {
  readonly facts: RunFacts;
  /** Undefined: it has not begun to write. */
  readonly head: RunHead | undefined;
  readonly cells: readonly Cell[];
  /** Apart: the points of sweeps. */
  readonly sweeps: readonly Cell[];
  readonly end: RunEnd | undefined;
}

export const catalogue = signal<Catalogue | undefined>(undefined);
export const runs = signal<Runs | undefined>(undefined);
/** What the hub refused, of whatever was asked last. */
export const fault = signal('');

/** Says what went wrong in `fault`; resolves to whether nothing did. */
export async function trying(act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    fault.value = '';
    return true;
  } catch (error) {
    fault.value = (error as Error).message;
    return false;
  }
}

export async function loadCatalogue(): Promise<void> {
  catalogue.value ??= await api<Catalogue>('/lab');
}

export async function loadRuns(): Promise<void> {
  runs.value = await api<Runs>('/lab/runs');
}

const POLL_MS = 400;
/** The hub is gone: it may come back. */
const AGAIN_MS = 2_000;

/** Tells of a run for as long as it is looked at, and again while it is on its way. */
export function useRun(run: string, tell: (seen: Seen | undefined, fault: string) => void): void {
  useEffect(() => {
    let gone = false;
    let timer: number | undefined;
    let lines: readonly RunLine[] = [];
    const look = async () => {
      let answer: RunFacts & { lines: RunLine[] };
      const after = lines.length;
      try {
        answer = await api(`/lab/runs/${run}?after=${after}`);
      } catch (error) {
        if (gone) return;
        tell(undefined, (error as Error).message);
        if (error instanceof TypeError) timer = window.setTimeout(look, AGAIN_MS); // no answer at all
        return;
      }
      if (gone) return;
      const { lines: more, ...facts } = answer;
      const over = facts.state !== 'running';
      if (over && after > 0) {
        // A run that is kept has its lines in the order of its plan: they are taken anew.
        lines = [];
        await look();
        return;
      }
      lines = [...lines, ...more];
      tell(seenOf(facts, lines), '');
      if (!over) timer = window.setTimeout(look, POLL_MS);
    };
    tell(undefined, '');
    void look();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [run]);
}

function seenOf(facts: RunFacts, lines: readonly RunLine[]): Seen {
  const cells = lines.filter((line) => line.kind === 'cell');
  return {
    facts,
    head: lines.find((line) => line.kind === 'run'),
    cells: cells.filter((c) => c.point === undefined),
    sweeps: cells.filter((c) => c.point !== undefined),
    end: lines.find((line) => line.kind === 'end'),
  };
}

/** `200 messages of 20 octets, one every 10 s` */
export function inWords({
  messages,
  payload,
  rate,
  devices,
  direction,
  fanOut,
  retained,
}: WorkloadFacts): string {
  const pace =
    rate === 0
      ? 'as fast as they go'
      : rate < 1
        ? `one every ${Number((1 / rate).toPrecision(3))} s`
        : `${rate} a second`;
  return [
    `${messages} messages of ${payload.bytes} octets`,
    pace,
    devices > 1 && `${devices} devices`,
    direction !== 'up' && (direction === 'down' ? 'to the devices' : 'both ways'),
    fanOut > 1 && `${fanOut} subscribers`,
    retained && 'retained',
  ]
    .filter((part) => part !== false)
    .join(', ');
}
