// What a command may touch of the world: streams, environment, folder; so that a test can run the whole program in itself.

import type { Readable, Writable } from 'node:stream';

export interface Io {
  readonly input: Readable & { isTTY?: boolean; setRawMode?(on: boolean): unknown };
  /** Data only. */
  readonly output: Writable & { isTTY?: boolean };
  /** Status and errors. */
  readonly errors: Writable & { isTTY?: boolean };
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
  /** Resolves when the person asks to stop (SIGINT, SIGTERM). Asked a second time, the process ends by itself. */
  stopAsked(): Promise<string>;
  /** Calls `stop` each time the person asks to stop; then nothing ends by itself. */
  onStop(stop: (signal: string) => void): void;
  /** Called for each SIGHUP. */
  onReload(reload: () => void): void;
}

export const EXIT = { fine: 0, failed: 1, usage: 2, timeout: 3 } as const;

/** A failure that the person can mend: one sentence that says what, where and the fix. */
export class Failure extends Error {
  readonly code: number;
  constructor(message: string, code: number = EXIT.failed, cause?: unknown) {
    super(message, { cause });
    this.name = 'Failure';
    this.code = code;
  }
}

const STOPS = ['SIGINT', 'SIGTERM'] as const;

/** The process as it is. */
export function processIo(): Io {
  return {
    input: process.stdin,
    output: process.stdout,
    errors: process.stderr,
    environment: process.env,
    folder: process.cwd(),
    stopAsked: () =>
      new Promise((resolve) => {
        for (const signal of STOPS) process.once(signal, () => resolve(signal));
      }),
    onStop: (stop) => {
      for (const signal of STOPS) process.on(signal, () => stop(signal));
    },
    onReload: (reload) => process.on('SIGHUP', reload),
  };
}

export function say(io: Io, text: string): void {
  io.errors.write(`${text}\n`);
}
