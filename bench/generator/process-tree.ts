// What a process and its children have used: CPU time and memory, as Linux tells it in /proc.

import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks a second of /proc/PID/stat: 100 on every Linux that Node runs on. */
const TICK_NS = 1e7;

export interface Memory {
  readonly residentBytes: number;
  /** The most that was ever resident; summed over the processes. */
  readonly peakBytes: number;
}

export class ProcessTree {
  private readonly pids: readonly number[];

  /** Finds the children now: construct it when the broker is up. */
  constructor(root: number) {
    const parents = new Map<number, number>();
    for (const name of readdirSync('/proc')) {
      const pid = Number(name);
      if (Number.isInteger(pid)) parents.set(pid, parentOf(pid));
    }
    const pids = [root];
    for (const pid of pids) {
      for (const [child, parent] of parents) if (parent === pid) pids.push(child);
    }
    this.pids = pids;
  }

  /** CPU time of all threads so far, user and system, in ns. */
  cpuNs(): number {
    let sum = 0;
    for (const pid of this.pids) sum += fineCpuNs(pid) ?? tickedCpuNs(pid);
    return sum;
  }

  memory(): Memory {
    let [residentBytes, peakBytes] = [0, 0];
    for (const pid of this.pids) {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      residentBytes += 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
      peakBytes += 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0);
    }
    return { residentBytes, peakBytes };
  }
}

/** Fields of /proc/PID/stat from the third on: the second is a name in brackets that may hold spaces. */
const statFields = (pid: number): string[] => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
};

function parentOf(pid: number): number {
  try {
    return Number(statFields(pid)[1]);
  } catch {
    return 0; // it ended while we looked
  }
}

/** The scheduler's own account, in ns, where the kernel keeps one. Threads that have ended are not in it. */
function fineCpuNs(pid: number): number | undefined {
  let sum = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      sum += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
    } catch {
      return undefined; // no such file: a kernel without it, or a thread that has just ended
    }
  }
  return sum > 0 ? sum : undefined;
}

function tickedCpuNs(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[11]) + Number(fields[12])) * TICK_NS;
}
