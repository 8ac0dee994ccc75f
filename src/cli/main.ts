#!/usr/bin/env node
// The program `waymeet`.

import { readFileSync } from 'node:fs';
import module from 'node:module';
import { setFlagsFromString } from 'node:v8';

const words = process.argv.slice(2);
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

if (words.length === 1 && words[0] === '--version') {
  process.stdout.write(`${version}\n`);
} else {
  // V8 lets the space of new objects grow to 48 MB and keeps it: with 10,000 idle connections 124 MB resident instead of 105.
  if (words[0] === 'serve') setFlagsFromString('--semi-space-growth-factor=1');
  // Node 22.8 and newer keep compiled code for the next start.
  (module as { enableCompileCache?: () => unknown }).enableCompileCache?.();
  // A reader that went away (`waymeet sub | head`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  // What is loaded from here on is loaded under these settings.
  const [{ run }, { processIo }] = await Promise.all([import('./program.ts'), import('./io.ts')]);
  process.exitCode = await run(words, version, processIo());
}
