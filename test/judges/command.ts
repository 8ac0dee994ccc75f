// One command of the program as a test runs it: in this process, its output read line by line while it runs.

import { PassThrough, Readable } from 'node:stream';
import type { Io } from '../../src/cli/io.ts';
import { run } from '../../src/cli/program.ts';
import { Inbox } from './inbox.ts';

export interface Started {
  /** What it prints. */
  readonly lines: Inbox<string>;
  errors(): string;
  readonly code: Promise<number>;
}

/** Runs a command in `folder`; nobody interrupts it. */
export function startIn(folder: string, args: readonly string[]): Started {
  const lines = new Inbox<string>('lines');
  let errors = '';
  const output = new PassThrough();
  output.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().split('\n')) if (line !== '') lines.push(line);
  });
  const complaints = new PassThrough();
  complaints.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const io: Io = {
    input: Readable.from([]),
    output,
    errors: complaints,
    environment: {},
    folder,
    stopAsked: () => new Promise(() => {}),
    onReload: () => {},
    onStop: () => {},
  };
  return { lines, errors: () => errors, code: run(args, '0', io) };
}
