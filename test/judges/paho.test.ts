// Paho for Python 1.6, the client of most Python applications: its cases are in paho-cases.py.

import { describe, expect, test } from 'vitest';
import { useBroker } from './broker.ts';
import { PATIENCE_MS } from './inbox.ts';
import { missingPaho, PAHO } from './paho.ts';
import { judgedBy, run } from './tool.ts';

const CASES: Readonly<Record<string, readonly string[]>> = {
  there_and_back: ['3', '4', '5'],
  websockets: ['4', '5'],
  many: ['4', '5'],
  offline: ['3', '4', '5'],
  reconnecting: ['3', '4', '5'],
  will: ['3', '4', '5'],
  properties: ['5'],
  keepalive: ['4', '5'],
};

const broker = useBroker();

judgedBy(
  [],
  'Paho for Python',
  () => {
    describe.concurrent.each(Object.entries(CASES))('%s', (name, versions) => {
      test.each(versions)(
        'protocol version %s',
        async (version) => {
          const ports = [`${broker.port()}`, version, `${broker.port('ws')}`];
          const exit = await run([...PAHO, name, ...ports], '', 3 * PATIENCE_MS);
          expect(exit).toEqual({ code: 0, out: 'ok\n', errors: '' });
        },
        4 * PATIENCE_MS,
      );
    });
  },
  missingPaho(),
);
