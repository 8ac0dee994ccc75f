// Paho for Python 1.6, the client of most Python applications: its cases are in paho-cases.py.

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { useBroker } from './broker.ts';
import { endTools, isHere, judgedBy, run } from './tool.ts';

export const PYTHON = '/usr/bin/python3';
export const PAHO = path.join(import.meta.dirname, 'paho-cases.py');

/** What is missing to run paho-cases.py. */
export function missingPaho(): string[] {
  if (!isHere(PYTHON)) return ['python3'];
  const found = spawnSync(PYTHON, ['-c', 'import paho.mqtt.client']).status === 0;
  return [...(found ? [] : ['python3-paho-mqtt']), ...(isHere('stdbuf') ? [] : ['stdbuf'])];
}

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
endTools();

judgedBy(
  [],
  'Paho for Python',
  () => {
    describe.each(Object.entries(CASES))('%s', (name, versions) => {
      test.each(versions)('protocol version %s', async (version) => {
        const ports = [`${broker.port()}`, version, `${broker.port('ws')}`];
        const exit = await run([PYTHON, PAHO, name, ...ports]);
        expect(exit).toEqual({ code: 0, out: 'ok\n', errors: '' });
      });
    });
  },
  missingPaho(),
);
