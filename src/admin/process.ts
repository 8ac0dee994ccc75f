// Figures of this process: memory, CPU, open files and how late the event loop runs.

import { readdirSync } from 'node:fs';
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

export interface ProcessFigures {
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly cpuSeconds: number;
  readonly startedAtMs: number;
  /** Undefined where the system does not tell. */
  readonly openFiles: number | undefined;
  /** How late timers ran since the last look, seconds. */
  readonly lagSeconds: { readonly p50: number; readonly p99: number; readonly max: number };
}

const LAG_RESOLUTION_MS = 20;

/** Watches the event loop; `look` gives the figures since the last look. */
export class ProcessWatch {
  private readonly delay: IntervalHistogram = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  private readonly startedAtMs = Date.now() - process.uptime() * 1_000;

  constructor() {
    this.delay.enable();
  }

  look(): ProcessFigures {
    const memory = process.memoryUsage();
    const cpu = process.cpuUsage();
    const lagSeconds = {
      p50: this.lag(this.delay.percentile(50)),
      p99: this.lag(this.delay.percentile(99)),
      max: this.lag(this.delay.max),
    };
    this.delay.reset();
    return {
      residentBytes: memory.rss,
      heapBytes: memory.heapUsed,
      cpuSeconds: (cpu.user + cpu.system) / 1e6,
      startedAtMs: this.startedAtMs,
      openFiles: openFiles(),
      lagSeconds,
    };
  }

  stop(): void {
    this.delay.disable();
  }

  /** The histogram measures from one tick to the next, its own interval included; an empty one has no maximum. */
  private lag(nanoseconds: number): number {
    return Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - LAG_RESOLUTION_MS / 1e3) : 0;
  }
}

function openFiles(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  return readdirSync('/proc/self/fd').length;
}
