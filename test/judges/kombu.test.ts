// Kombu, the AMQP 0-9-1 client of Celery: its cases are in kombu-cases.py.

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';
import { useBroker } from './broker.ts';
import { PATIENCE_MS } from './inbox.ts';
import { isHere, judgedBy, run } from './tool.ts';

const PYTHON = '/usr/bin/python3';

const broker = useBroker(() => ({
  listeners: [{ name: 'amqp', type: 'tcp', host: '127.0.0.1', port: 0, protocols: ['amqp091', 'amqp1'] }],
}));

judgedBy(
  [],
  'Kombu',
  () => {
    test.concurrent.each(['there_and_back', 'simple_queue', 'mailbox'])(
      '%s',
      async (name) => {
        const file = path.join(import.meta.dirname, 'kombu-cases.py');
        const exit = await run([PYTHON, file, name, `${broker.port('amqp')}`], '', 3 * PATIENCE_MS);
        expect(exit).toEqual({ code: 0, out: 'ok\n', errors: '' });
      },
      4 * PATIENCE_MS,
    );
  },
  isHere(PYTHON) && spawnSync(PYTHON, ['-c', 'import kombu, amqp']).status === 0 ? [] : ['python3-kombu'],
);
