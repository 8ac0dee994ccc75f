// The package's own client over XMPP on real sockets: TCP, TLS and WebSocket, with SCRAM and with a password.

import { afterAll, expect, test } from 'vitest';
import { addUser } from '../../src/auth/users.ts';
import { connect } from '../../src/client/connect.ts';
import type { ConnectOptions } from '../../src/client/options.ts';
import { Authority } from '../transport/certificates.ts';
import { folder, start } from './running.ts';

const authority = new Authority();
afterAll(() => authority.remove());

const HOW: [title: string, scheme: string, listener: string, more: ConnectOptions][] = [
  ['TCP', 'xmpp', 'xmpp', { tls: { ca: authority.ca } }],
  ['TCP with SCRAM', 'xmpp', 'xmpp', { sasl: 'SCRAM-SHA-256', tls: { ca: authority.ca } }],
  ['TLS', 'xmpps', 'xmpps', { tls: { ca: authority.ca } }],
  ['WebSocket', 'xmpp+ws', 'web', {}],
];

test.each(HOW)('over %s', async (_title, scheme, listener, more) => {
  const files = folder();
  const users = files.write('users', '');
  await addUser(users, 'anna', 'secret', { scramIterations: 4_096 });
  const issued = authority.issue('localhost');
  const tls = { cert: files.write('c.pem', issued.cert), key: files.write('k.pem', issued.key) };
  const host = '127.0.0.1';
  const running = await start({
    auth: { users },
    web: { api: false, page: false },
    tls,
    listeners: [
      { name: 'xmpp', type: 'tcp', host, port: 0, protocols: ['xmpp'] },
      { name: 'xmpps', type: 'tls', host, port: 0, protocols: ['xmpp'] },
      { name: 'web', type: 'ws', host, port: 0 },
    ],
  });
  const url = `${scheme}://localhost:${running.port(listener)}`;
  const login = { username: 'anna', password: 'secret', ...more };
  const client = await connect(url, login);
  const subscription = await client.subscribe('room/+');
  await client.publish('room/1', Uint8Array.of(0, 255), { qos: 1 });
  const { value } = await subscription[Symbol.asyncIterator]().next();
  expect([value?.topic, Buffer.from(value!.payload).toString('hex')]).toEqual(['room/1', '00ff']);
  await client.close();
  const wrong = connect(url, { ...login, password: 'wrong', reconnect: false });
  await expect(wrong).rejects.toMatchObject({ code: 'bad-credentials' });
});
