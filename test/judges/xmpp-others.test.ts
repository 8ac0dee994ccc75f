// XMPP as still others speak it: Debian's aioxmpp, whose cases are in aioxmpp-cases.py, and go-sendxmpp.

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import mqtt from 'mqtt';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { Authority } from '../transport/certificates.ts';
import { useBroker } from './broker.ts';
import { PATIENCE_MS } from './inbox.ts';
import { endTools, isHere, judgedBy, run, Tool } from './tool.ts';

const PYTHON = '/usr/bin/python3';

const authority = new Authority();
afterAll(() => authority.remove());

const broker = useBroker((b) => {
  const issued = authority.issue('localhost');
  const tls = { cert: b.write('c.pem', issued.cert), key: b.write('k.pem', issued.key) };
  const host = '127.0.0.1';
  return {
    listeners: [
      { name: 'mqtt', type: 'tcp', host, port: 0 },
      { name: 'xmpp', type: 'tcp', host, port: 0, protocols: ['xmpp'], tls },
      { name: 'xmpps', type: 'tls', host, port: 0, protocols: ['xmpp'], tls },
    ],
  };
});

judgedBy(
  [],
  'aioxmpp',
  () => {
    test.concurrent.each(['nodes', 'direct', 'discovery'])(
      '%s',
      async (name) => {
        const file = path.join(import.meta.dirname, 'aioxmpp-cases.py');
        const exit = await run([PYTHON, file, name, `${broker.port('xmpp')}`], '', 3 * PATIENCE_MS);
        expect(exit).toMatchObject({ code: 0, out: 'ok\n' });
      },
      4 * PATIENCE_MS,
    );
  },
  isHere(PYTHON) && spawnSync(PYTHON, ['-c', 'import aioxmpp']).status === 0 ? [] : ['python3-aioxmpp'],
);

describe('go-sendxmpp', () => {
  endTools();
  judgedBy(['go-sendxmpp', 'stdbuf'], 'over', () => {
    test.each([
      ['STARTTLS', 'xmpp', []],
      ['TLS', 'xmpps', ['--tls']],
    ] as const)('%s: what it sends, and what it hears', async (_how, listener, flags) => {
      const login = (user: string) => ['-n', ...flags, '-u', `${user}@localhost`, '-p', 'secret'];
      const command = (user: string) => [
        'go-sendxmpp',
        ...login(user),
        '-j',
        `127.0.0.1:${broker.port(listener)}`,
      ];
      const bert = new Tool([...command('bert'), '--listen']);
      const away = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.port('mqtt')}`);
      const { inspection } = broker.server.hub;
      const isIn = () =>
        [...inspection.queues()].some(({ name, consumers }) => name === 'jid/bert' && consumers > 0);
      await vi.waitUntil(isIn, { timeout: PATIENCE_MS, interval: 10 });
      await away.publishAsync('$queue/jid/bert', 'from MQTT', { qos: 1 });
      expect(await bert.lines.next()).toContain('from MQTT');
      expect(await run([...command('anna'), 'bert@localhost'], 'from Go <&>\n')).toMatchObject({ code: 0 });
      expect(await bert.lines.next()).toMatch(/anna@localhost.*from Go <&>/);
      await away.endAsync();
    });
  });
});
