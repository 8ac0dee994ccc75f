// Qpid Proton and uAMQP, the AMQP 1.0 clients of Python and of Azure: their cases are in proton-cases.py and uamqp-cases.py.

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { addUser } from '../../src/auth/users.ts';
import { Authority } from '../transport/certificates.ts';
import { type Broker, useBroker } from './broker.ts';
import { PATIENCE_MS } from './inbox.ts';
import { isHere, judgedBy, run } from './tool.ts';

const PYTHON = '/usr/bin/python3';
const PROTON = [
  ...[
    'same_name',
    'browse',
    'types',
    'ids',
    'outcomes',
    'settling',
    'large',
    'selecting',
    'durable',
    'request',
  ],
  'transactions',
  'faults',
];
const UAMQP = ['queue', 'large', 'outcomes', 'refused'];

async function check(cases: string, name: string, ...more: readonly string[]): Promise<void> {
  const file = path.join(import.meta.dirname, cases);
  const exit = await run([PYTHON, file, name, ...more], '', 3 * PATIENCE_MS);
  expect(exit).toMatchObject({ code: 0, out: 'ok\n' });
}

judgedBy(
  [],
  'Proton',
  () => {
    const broker = useBroker(async (b) => {
      await addUser(b.file('users'), 'alice', 'wonderland', { scramIterations: 4_096 });
      const tcp = (name: string, more: object) => ({
        ...{ name, type: 'tcp', host: '127.0.0.1', port: 0, protocols: ['amqp091', 'amqp1'] },
        ...more,
      });
      return { listeners: [tcp('amqp', {}), tcp('users', { auth: { users: './users' } })] };
    });
    test.concurrent.each(PROTON)(
      '%s',
      (name) => check('proton-cases.py', name, `${broker.port('amqp')}`),
      4 * PATIENCE_MS,
    );
    test('login', () => check('proton-cases.py', 'login', `${broker.port('users')}`), 4 * PATIENCE_MS);
  },
  missing('proton', 'python3-qpid-proton'),
);

judgedBy(
  ['openssl'],
  'uAMQP',
  () => {
    const broker = useBroker((b: Broker) => {
      const authority = new Authority();
      const { cert, key } = authority.issue('localhost');
      b.write('ca.pem', authority.ca);
      b.write('server.pem', cert);
      b.write('server.key', key);
      const tls = { cert: './server.pem', key: './server.key' };
      return {
        listeners: [
          { name: 'amqps', type: 'tls', host: '127.0.0.1', port: 0, protocols: ['amqp091', 'amqp1'], tls },
        ],
      };
    });
    describe.concurrent('over TLS', () => {
      test.each(UAMQP)(
        '%s',
        (name) => check('uamqp-cases.py', name, `${broker.port('amqps')}`, broker.file('ca.pem')),
        4 * PATIENCE_MS,
      );
    });
  },
  missing('uamqp', 'python3-uamqp'),
);

function missing(module: string, name: string): string[] {
  if (!isHere(PYTHON)) return ['python3'];
  const found = spawnSync(PYTHON, ['-c', `import ${module}`]).status === 0;
  return [...(found ? [] : [name]), ...(isHere('stdbuf') ? [] : ['stdbuf'])];
}
