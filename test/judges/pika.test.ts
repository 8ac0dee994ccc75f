// Pika, the AMQP 0-9-1 client of Python applications: its cases are in pika-cases.py.

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';
import { useBroker } from './broker.ts';
import { PATIENCE_MS } from './inbox.ts';
import { isHere, judgedBy, run } from './tool.ts';

const PYTHON = '/usr/bin/python3';
const CASES = ['there_and_back', 'unroutable', 'large', 'transaction', 'faults'];

const broker = useBroker(() => ({
  listeners: [{ name: 'amqp', type: 'tcp', host: '127.0.0.1', port: 0, protocols: ['amqp091'] }],
}));

judgedBy(
  [],
  'Pika',
  () => {
    test.concurrent.each(CASES)(
      '%s',
      async (name) => {
        const file = path.join(import.meta.dirname, 'pika-cases.py');
        const exit = await run([PYTHON, file, name, `${broker.port('amqp')}`], '', 3 * PATIENCE_MS);
        expect(exit).toEqual({ code: 0, out: 'ok\n', errors: '' });
      },
      4 * PATIENCE_MS,
    );
  },
  missingPika(),
);

function missingPika(): string[] {
  if (!isHere(PYTHON)) return ['python3'];
  const found = spawnSync(PYTHON, ['-c', 'import pika']).status === 0;
  return [...(found ? [] : ['python3-pika']), ...(isHere('stdbuf') ? [] : ['stdbuf'])];
}
