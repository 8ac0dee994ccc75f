// Where paho-cases.py runs: Debian's Python, which has Debian's Paho.

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { isHere } from './tool.ts';

const PYTHON = '/usr/bin/python3';

/** The start of a command that runs a case. */
export const PAHO = [PYTHON, path.join(import.meta.dirname, 'paho-cases.py')];

/** What is missing to run it. */
export function missingPaho(): string[] {
  if (!isHere(PYTHON)) return ['python3'];
  const found = spawnSync(PYTHON, ['-c', 'import paho.mqtt.client']).status === 0;
  return [...(found ? [] : ['python3-paho-mqtt']), ...(isHere('stdbuf') ? [] : ['stdbuf'])];
}
