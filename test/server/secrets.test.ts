// What is secret stays so: in the log of a run where much goes wrong, in messages, and wherever the configuration is shown.

import { createSocket } from 'node:dgram';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { connectAsync } from 'mqtt';
import { expect, test } from 'vitest';
import { addUser } from '../../src/auth/users.ts';
import type { Io } from '../../src/cli/io.ts';
import { run as program } from '../../src/cli/program.ts';
import { ending, folder, OFF, resolved, start } from './running.ts';

const SECRETS = {
  jwt: 'TOP-token-key-of-thirty-two-octets-or-more',
  header: 'TOP-header',
  jwks: 'TOP-jwks',
  service: 'TOP-service',
  admin: 'TOP-admin',
  viewer: 'TOP-viewer',
  user: 'TOP-user',
  tried: 'TOP-tried',
  plain: 'TOP-plain',
  key: 'ab'.repeat(16),
};
const TOKEN = `eyJhbGciOiJIUzI1NiJ9.${Buffer.from('{"sub":"x"}').toString('base64url')}.c2lnbmF0dXJl`;

function expectNone(text: string): void {
  for (const secret of [...Object.values(SECRETS), TOKEN, '$argon2']) expect(text).not.toContain(secret);
}

const settings = (users: string, psk: string) => ({
  ports: { ...OFF, mqtt: 0, web: 0, coap: 0, stomp: 0, amqp: 0 },
  tls: { psk },
  auth: {
    users,
    jwt: { secret: SECRETS.jwt, jwks: `http://hub:${SECRETS.jwks}@127.0.0.1:1/keys` },
    http: {
      url: `http://hub:${SECRETS.service}@127.0.0.1:1/auth`,
      headers: { Authorization: SECRETS.header },
    },
  },
  web: { adminPassword: SECRETS.admin, viewerPassword: SECRETS.viewer },
});

/** Sends octets and waits until the hub has answered, or hung up. */
function tell(port: number, octets: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write(octets, 'latin1'));
    const done = () => {
      socket.destroy();
      resolve();
    };
    socket.once('data', done).once('close', done).once('error', done);
  });
}

test('in the log of a run with all kinds of logins, right, wrong and broken, and of files that are damaged', async () => {
  const files = folder();
  const users = join(files.path, 'users');
  await addUser(users, 'alice', SECRETS.user);
  const psk = files.write('psk', `dora:${SECRETS.key}\n`);
  const hub = await start({ watch: 'never', ...settings(users, psk) });
  const mqtt = hub.server.address('mqtt');
  const client = await connectAsync(mqtt, { username: 'alice', password: SECRETS.user, reconnectPeriod: 0 });
  ending(() => client.endAsync(true));
  for (const password of [SECRETS.tried, TOKEN]) {
    await expect(connectAsync(mqtt, { username: 'alice', password, reconnectPeriod: 0 })).rejects.toThrow();
    const url = `${hub.server.address('web')}/topics/a`;
    await fetch(url, { headers: { Authorization: `Bearer ${password}` } });
    await fetch(url, { headers: { Authorization: `Basic ${btoa(`bob:${password}`)}` } });
    await tell(hub.port('stomp'), `CONNECT\nlogin:x\npasscode:${password}\n\n\0`);
    await tell(hub.port('stomp'), `CONNECT\nbroken\npasscode:${password}\n\n\0`);
    // A CONNECT whose password is longer than the packet.
    const connect = `\0\x04MQTT\x04\xc2\0\x3c\0\x01c\0\x01u\0\x7f${password.slice(0, 30)}`;
    await tell(hub.port('mqtt'), `\x10${String.fromCharCode(connect.length)}${connect}`);
    await tell(hub.port('amqp'), `AMQP\0\0\x09\x01\x01\0\0\0\0\0\x20${password}`);
    await fetch(`${hub.server.address('web')}/api/v1/login`, {
      method: 'POST',
      body: JSON.stringify({ user: 'admin', password }),
    });
  }
  const device = createSocket('udp4');
  ending(() => device.close());
  const answered = new Promise((resolve) => device.once('message', resolve));
  const query = Buffer.from(`p=${SECRETS.tried}`);
  device.send(
    Buffer.concat([Buffer.from([0x40, 1, 0, 1, 0xb1, 0x74, 0x01, 0x61, 0x40 + query.length]), query]),
    hub.port('coap'),
    '127.0.0.1',
  );
  await answered;
  files.write('users', `alice:${SECRETS.plain}\n`);
  files.write('psk', `dora:${SECRETS.plain}\n`);
  await hub.reload(settings(users, psk));
  const log = hub.log.join('\n');
  for (const said of [
    'stay as they were',
    'cannot fetch the key set',
    'the authentication service fails',
    'broke its protocol',
  ])
    expect(log).toContain(said);
  expectNone(log);
});

test('where the configuration is shown, and in what is said about one that is wrong', async () => {
  const { path, write } = folder();
  const { ports: _, ...said } = settings('./users', './psk');
  const own = { name: 'm', port: 0, auth: said.auth };
  write('waymeet.yaml', JSON.stringify({ ...said, listeners: [own] }));
  const output = new PassThrough();
  const io: Io = {
    ...{ input: new PassThrough(), output, errors: output, environment: {}, folder: path },
    stopAsked: () => new Promise(() => undefined),
    onStop: () => undefined,
    onReload: () => undefined,
  };
  for (const words of [['print'], ['print', '--json'], ['check']])
    await program(['config', ...words], 'test', io);
  const text = String(output.read());
  expect(text).toContain('(hidden)');
  expect(text).toContain('jwks: http://hub:(hidden)@127.0.0.1:1/keys');
  expectNone(text);

  const wrong = {
    auth: { jwt: { secret: [SECRETS.jwt] }, http: { headers: SECRETS.header } },
    web: { adminPassword: [SECRETS.admin] },
  };
  const problems = resolved(wrong)
    .problems.map((p) => p.text)
    .join('\n');
  expect(problems).toContain('because it is a secret');
  expectNone(problems);
});

test('the admin API shows no secret', async () => {
  const users = join(folder().path, 'users');
  await addUser(users, 'alice', SECRETS.user);
  const { tls: _, ...said } = settings(users, '');
  const { settings: all } = resolved(said);
  const hub = await start(said, all);
  const authorization = `Basic ${btoa(`viewer:${SECRETS.viewer}`)}`;
  const answer = await fetch(`${hub.server.address('web')}/api/v1/config`, { headers: { authorization } });
  const text = await answer.text();
  expect(text).toContain('auth.jwt.secret');
  expectNone(text);
});
