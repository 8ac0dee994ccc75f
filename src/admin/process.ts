// Figures of this process: memory, CPU, open files and how late the event loop runs.

import { readdirSync } from 'node:fs';
import { Histogram } from './histogram.ts';

export interface ProcessFigures {
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly cpuSeconds: number;
  readonly startedAtMs: number;
  /** Undefined where the system does not tell. */
  readonly openFiles: number | undefined;
  /** How late timers ran. */
  readonly lag: Histogram;
}

/** Ten wake-ups a second tell of every delay that a person would notice; Node's own monitor takes fifty. */
const LOOK_MS = 100;
const LAG_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Watches the event loop until it is stopped. It does not keep the process alive. */
export class ProcessWatch {
  readonly lag = new Histogram(LAG_BOUNDS);
  private readonly startedAtMs = Date.now() - process.uptime() * 1_000;
  private readonly timer: NodeJS.Timeout;
  private expected = performance.now() + LOOK_MS;

  constructor() {
    this.timer = setInterval(() => {
      const at = performance.now();
      this.lag.observe(Math.max(0, at - this.expected) / 1_000);
      this.expected = at + LOOK_MS;
    }, LOOK_MS).unref();
  }

  look(): ProcessFigures {
    const memory = process.memoryUsage();
    const cpu = process.cpuUsage();
    return {
      residentBytes: memory.rss,
      heapBytes: memory.heapUsed,
      cpuSeconds: (cpu.user + cpu.system) / 1e6,
      startedAtMs: this.startedAtMs,
      openFiles: openFiles(),
      lag: this.lag,
    };
  }

  stop(): void {
    clearInterval(this.timer);
  }
}

function openFiles(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  return readdirSync('/proc/self/fd').length;
}
