#!/usr/bin/env node
// The program `waymeet`.

import { readFileSync } from 'node:fs';
import { processIo } from './io.ts';
import { run } from './program.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
// A reader that went away (`waymeet sub | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.exitCode = await run(process.argv.slice(2), version, processIo());
