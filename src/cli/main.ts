#!/usr/bin/env node
// The program `waymeet`.

import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { processIo } from './io.ts';
import { run } from './program.ts';

// V8 lets the space of new objects grow to 48 MB and keeps it: with 10,000 idle connections 124 MB resident instead of 105. It must be
// said before the modules of the hub are loaded.
if (process.argv[2] === 'serve') setFlagsFromString('--semi-space-growth-factor=1');

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
// A reader that went away (`waymeet sub | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.exitCode = await run(process.argv.slice(2), version, processIo());
