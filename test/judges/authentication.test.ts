// One set of users, tokens, certificates, keys and rules for every protocol, judged by clients that others wrote.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server as HttpServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { Client as StompJs } from '@stomp/stompjs';
import { connect as amqpConnect } from 'amqplib';
import { type JWTPayload, SignJWT } from 'jose';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { create_container } from 'rhea';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import { addUser } from '../../src/auth/users.ts';
import { createLog } from '../../src/server/log.ts';
import { type Server, startServer } from '../../src/server/start.ts';
import { configOf } from '../server/running.ts';
import { Authority } from '../transport/certificates.ts';
import { CLIENTS, pub, sub, tryPub } from './mosquitto.ts';
import { endTools, judgedBy, run } from './tool.ts';

const SECRET = 'a secret of thirty-two octets, or more';
// Some clients take a key as text, some in hex.
const PSK_TEXT = 'a-key-of-sixteen';
const PSK = Buffer.from(PSK_TEXT).toString('hex');
const ACL = `
group ops: carl
user alice
allow both alice/#
group ops
allow both plant/#
user dora
allow both dora/%c/#
all
allow publish report/%u
protocol http
allow publish web/#
listener amqp
allow both $queue/jobs
`;

const folder = mkdtempSync(join(tmpdir(), 'waymeet-authentication-'));
const file = (name: string) => join(folder, name);
let server: Server;
let service: HttpServer;
const deny = (_question: Record<string, unknown>, response: ServerResponse): unknown =>
  response.end('{"result":"deny"}');
let answer = deny;
let logged = '';

endTools();
const open: { endAsync(force?: boolean): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const client of open.splice(0)) await client.endAsync(true);
});

beforeAll(async () => {
  const authority = new Authority();
  const own = authority.issue('localhost');
  const carl = authority.issue('carl');
  const files = {
    'ca.pem': authority.ca,
    'own.pem': own.cert,
    'own.key': own.key,
    acl: ACL,
    psk: `dora:${PSK}\n`,
  };
  const theirs = { 'carl.pem': carl.cert, 'carl.key': carl.key };
  for (const [name, text] of Object.entries({ ...files, ...theirs })) writeFileSync(file(name), text);
  authority.remove();
  await addUser(file('users'), 'alice', 'wonder');
  service = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += String(chunk);
    });
    request.on('end', () => answer(JSON.parse(text) as Record<string, unknown>, response));
  });
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  const tls = {
    ...{ cert: file('own.pem'), key: file('own.key'), ca: file('ca.pem') },
    ...{ certificateIsUser: true, psk: file('psk') },
  };
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      logged += chunk.toString();
      done();
    },
  });
  const types = {
    mqtt: 'tcp',
    mqtts: 'tls',
    web: 'ws',
    coap: 'udp',
    coaps: 'dtls',
    amqp: 'tcp',
    stomp: 'tcp',
  };
  const protocols: Record<string, string[]> = {
    mqtt: ['mqtt'],
    mqtts: ['mqtt'],
    amqp: ['amqp091', 'amqp1'],
    stomp: ['stomp'],
  };
  const config = configOf({
    listeners: Object.entries(types).map(([name, type]) => ({
      ...{ name, type, port: 0 },
      ...(protocols[name] === undefined ? {} : { protocols: protocols[name] }),
    })),
    tls,
    auth: {
      ...{ users: file('users'), acl: file('acl') },
      jwt: { secret: SECRET, issuer: 'test', leeway: '0s' },
      http: {
        url: `http://127.0.0.1:${(service.address() as AddressInfo).port}/`,
        headers: { Authorization: 'Bearer hub-secret-for-service' },
        cache: '0s',
        cacheRefusals: '0s',
      },
    },
    web: { adminPassword: 'password-of-admin' },
  });
  server = await startServer(config, {
    log: createLog({ level: 'debug', format: 'json' }, sink),
    version: 'test',
  });
});
afterAll(async () => {
  await server.stop();
  service.close();
  rmSync(folder, { recursive: true });
});

afterEach(() => {
  answer = deny;
});

const port = (listener: string) => new URL(server.address(listener).replace(/^\w+:/, 'http:')).port;
const at = (listener: string) => ['-h', '127.0.0.1', '-p', port(listener)];

function token(claims: JWTPayload = {}): Promise<string> {
  const exp = Math.floor(Date.now() / 1_000) + 600;
  return new SignJWT({ iss: 'test', sub: 'tess', exp, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(Buffer.from(SECRET));
}

async function connect(options: IClientOptions): Promise<MqttClient> {
  const client = await connectAsync(server.address('mqtt'), {
    reconnectPeriod: 0,
    protocolVersion: 5,
    ...options,
  });
  open.push(client);
  return client;
}

judgedBy([...CLIENTS, 'stdbuf', 'openssl'], 'mosquitto', () => {
  test('a token as the password: what it claims is what it may', async () => {
    const jwt = await token({ acl: { publish: ['alice/tess/#'] } });
    const reader = await sub([...at('mqtt'), '-u', 'alice', '-P', 'wonder', '-t', 'alice/#']);
    const publish = (topic: string) =>
      pub([...at('mqtt'), '-u', 'ignored', '-P', jwt, '-t', topic, '-m', topic]);
    await publish('alice/else');
    await publish('alice/tess/1');
    expect(await reader.next()).toBe('alice/tess/1 alice/tess/1');
  });

  test('a certificate is a user, in the groups of that user', async () => {
    const certificate = ['--cafile', file('ca.pem'), '--cert', file('carl.pem'), '--key', file('carl.key')];
    const at_tls = ['-h', 'localhost', '-p', port('mqtts'), ...certificate];
    const reader = await sub([...at_tls, '-t', 'plant/#']);
    await pub([...at_tls, '-t', 'plant/1', '-m', 'by certificate']);
    expect(await reader.next()).toBe('plant/1 by certificate');
  });

  test('a pre-shared key is a user, and %c its client id', async () => {
    const key = ['--psk', PSK, '--psk-identity', 'dora', '--tls-version', 'tlsv1.2'];
    const reader = await sub([...at('mqtts'), ...key, '-i', 'd1', '-t', 'dora/d1/#']);
    const publish = (topic: string) => {
      const what = ['-V', '5', '-q', '1', '-t', topic, '-m', topic];
      return tryPub([...at('mqtts'), ...key, '-i', 'd2', ...what]);
    };
    expect((await publish('dora/d1/x')).errors).toContain('Not authorized');
    expect(await publish('dora/d2/x')).toMatchObject({ code: 0, errors: '' });
    await pub([...at('mqtts'), ...key, '-i', 'd1-but-not', '-t', 'dora/d1-but-not/x', '-m', 'x']);
    await reader.tool.stop();
  });

  test.each([
    ['no name', []],
    ['a wrong password', ['-u', 'alice', '-P', 'wrong']],
    ['a token of somebody else', ['-u', 'x', '-P', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.AAAA']],
  ])('%s is refused', async (_what, words) => {
    const exit = await tryPub([...at('mqtt'), ...words, '-t', 'a', '-m', 'x']);
    expect(exit.code).not.toBe(0);
    expect(exit.errors + exit.out).toMatch(/not authori[sz]ed|bad user ?name or password/i);
  });

  test('the service decides about whom nobody else knows, and its failure lets nobody in', async () => {
    answer = ({ username, password, client }, response) => {
      const right = username === 'sam' && password === 'service' && client === 'c1';
      response.end(
        JSON.stringify(right ? { result: 'allow', acl: { publish: ['sam'] } } : { result: 'deny' }),
      );
    };
    const sam = [...at('mqtt'), '-V', '5', '-u', 'sam', '-P', 'service', '-t', 'sam', '-m', 'x', '-q', '1'];
    expect((await tryPub([...sam, '-i', 'c1'])).code).toBe(0);
    expect((await tryPub([...sam, '-i', 'c2'])).code).not.toBe(0);
    answer = (_question, response) => response.writeHead(500).end();
    expect((await tryPub([...sam, '-i', 'c1'])).code).not.toBe(0);
    // Whom the users file knows, it is not asked about.
    await pub([...at('mqtt'), '-u', 'alice', '-P', 'wonder', '-t', 'alice/x', '-m', 'x']);
  });
});

judgedBy(['curl', 'stdbuf'], 'curl', () => {
  const post = async (topic: string, ...words: string[]) => {
    const url = `${server.address('web')}/topics/${topic}`;
    const { out } = await run([
      'curl',
      '-s',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      '-d',
      'x',
      ...words,
      url,
    ]);
    return out.trim();
  };

  test('a bearer token, a name with a password, and neither', async () => {
    const bearer = ['-H', `Authorization: Bearer ${await token({ groups: ['ops'] })}`];
    expect(await post('plant/1', ...bearer)).toBe('200');
    expect(await post('web/1', ...bearer)).toBe('200');
    expect(await post('report/tess', ...bearer)).toBe('200');
    expect(await post('alice/1', ...bearer)).toBe('403');
    expect(await post('alice/1', '-u', 'alice:wonder')).toBe('200');
    expect(await post('alice/1', '-u', `x:${await token({ sub: 'alice' })}`)).toBe('200');
    expect(await post('alice/1')).toBe('401');
    expect(await post('alice/1', '-H', 'Authorization: Bearer nonsense')).toBe('401');
    expect(await post('alice/1', '-u', 'alice:wrong')).toBe('401');
  });
});

judgedBy(['coap-client-openssl', 'stdbuf'], 'coap-client', () => {
  const put = async (url: string, ...words: string[]) => {
    const { out, errors } = await run([
      'coap-client-openssl',
      '-v',
      '6',
      '-B',
      '5',
      '-m',
      'put',
      '-e',
      'x',
      ...words,
      url,
    ]);
    return /\b([24]\.\d\d)\b/.exec(out + errors)?.[1];
  };

  test('a name with a password, a token in parts, a key', async () => {
    const coap = `coap://127.0.0.1:${port('coap')}`;
    const jwt = await token({ sub: 'alice', nonce: 'x'.repeat(200) });
    // Its reading of URIs takes no long query, so that the options are given by their number.
    const parts = (jwt.match(/.{1,200}/g) ?? []).flatMap((part) => ['-O', `15,p=${part}`]);
    expect(await put(`${coap}/t/alice/1?c=c1&u=alice&p=wonder`)).toBe('2.04');
    expect(await put(`${coap}/t/alice/1`, '-O', '15,c=c2', ...parts)).toBe('2.04');
    expect(await put(`${coap}/t/plant/1?c=c3&u=alice&p=wonder`)).toBe('4.03');
    expect(await put(`${coap}/t/alice/1?c=c4&u=alice&p=wrong`)).toBe('4.01');
    expect(await put(`${coap}/t/alice/1`)).toBe('4.01');
    const coaps = `coaps://127.0.0.1:${port('coaps')}`;
    const key = ['-u', 'dora', '-k', PSK_TEXT];
    expect(await put(`${coaps}/t/dora/d1/x?c=d1`, ...key)).toBe('2.04');
    expect(await put(`${coaps}/t/dora/d2/x?c=d1`, ...key)).toBe('4.03');
  });
});

test('MQTT.js is sent away when its token ends', async () => {
  const exp = Math.floor(Date.now() / 1_000) + 2;
  const client = await connect({ username: 'x', password: await token({ exp }) });
  const code = await new Promise((resolve) => client.once('disconnect', (p) => resolve(p.reasonCode)));
  expect(code).toBe(0x87);
});

test('MQTT.js shows a token by AUTH, and a new one brings new rights', async () => {
  const properties = async (claims: JWTPayload) => ({
    authenticationMethod: 'OAUTH2-JWT',
    authenticationData: Buffer.from(await token(claims)),
  });
  const client = await connect({ properties: await properties({ acl: { publish: ['one'] } }) });
  await client.publishAsync('one', 'x', { qos: 1 });
  await expect(client.publishAsync('two', 'x', { qos: 1 })).rejects.toThrow('Not authorized');
  const renewed = new Promise<number>((resolve) => {
    client.on('packetreceive', (p) => {
      if (p.cmd === 'auth') resolve(p.reasonCode ?? 0);
    });
  });
  const again = await properties({ acl: { publish: ['two'] } });
  (client as unknown as { _writePacket(p: object): void })._writePacket({
    cmd: 'auth',
    reasonCode: 0x19,
    properties: again,
  });
  expect(await renewed).toBe(0);
  await client.publishAsync('two', 'x', { qos: 1 });
  await expect(client.publishAsync('one', 'x', { qos: 1 })).rejects.toThrow('Not authorized');
});

test('a token in the connect frame of JSON over WebSocket, and the next one', async () => {
  const ask = async (password: string, next?: string) => {
    const url = server.address('web').replace('http', 'ws');
    const socket = new WebSocket(`${url}/waymeet`, 'waymeet.v1');
    const first = new Promise<{ type: string; code?: string }>((resolve) =>
      socket.once('message', (octets) => resolve(JSON.parse(String(octets)) as { type: string })),
    );
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send(JSON.stringify({ type: 'connect', password }));
    const said = await first;
    const then = new Promise<object>((resolve) =>
      socket.once('message', (octets) => resolve(JSON.parse(String(octets)) as object)),
    );
    if (next !== undefined) socket.send(JSON.stringify({ type: 'renew', password: next, id: 1 }));
    const renewed = next === undefined ? undefined : await then;
    socket.close();
    return renewed ?? said;
  };
  expect(await ask(await token())).toMatchObject({ type: 'connected' });
  expect(await ask(await token(), await token())).toMatchObject({ type: 'renewed', id: 1 });
  expect(await ask(await token(), await token({ sub: 'eve' }))).toMatchObject({
    code: 'not-authorized',
    id: 1,
  });
  expect(await ask(`${await token()}x`)).toMatchObject({ type: 'error', code: 'bad-credentials' });
});

test('amqplib shows a token, and renews it', async () => {
  const url = `amqp://x:${await token({ acl: [] })}@127.0.0.1:${port('amqp')}`;
  const connection = await amqpConnect(url);
  const channel = await connection.createChannel();
  await channel.assertQueue('jobs');
  await connection.updateSecret(Buffer.from(await token({ acl: [] })), 'soon over');
  await channel.checkQueue('jobs');
  const failed = new Promise<Error>((resolve) => connection.once('error', resolve));
  connection.updateSecret(Buffer.from(await token({ sub: 'eve' })), 'somebody else').catch(() => undefined);
  expect(String(await failed)).toContain('refused');
  await expect(amqpConnect(`amqp://alice:wrong@127.0.0.1:${port('amqp')}`)).rejects.toThrow(
    /ACCESS_REFUSED|403/,
  );
});

test('rhea (AMQP 1.0) and stompjs show a token as the password', async () => {
  const connection = create_container().connect({
    ...{ host: '127.0.0.1', port: Number(port('amqp')), reconnect: false },
    ...{ username: 'x', password: await token() },
  });
  await new Promise((resolve) => connection.once('connection_open', resolve));
  connection.close();
  await new Promise((resolve) => connection.once('connection_close', resolve));

  const stomp = new StompJs({
    webSocketFactory: () =>
      new WebSocket(`${server.address('web').replace('http', 'ws')}/stomp`, 'v12.stomp'),
    connectHeaders: { login: 'x', passcode: await token() },
    reconnectDelay: 0,
  });
  await new Promise((resolve, reject) => {
    stomp.onConnect = resolve;
    stomp.onStompError = reject;
    stomp.activate();
  });
  await stomp.deactivate();
});

test('nothing secret is in the log, nor shown by the API', async () => {
  const authorization = `Basic ${btoa('admin:password-of-admin')}`;
  const { status } = await fetch(`${server.address('web')}/api/v1/config`, {
    headers: { Authorization: authorization },
  });
  expect(status).toBe(200);
  expect(logged.length).toBeGreaterThan(500);
  for (const secret of [
    PSK_TEXT,
    SECRET,
    PSK,
    PSK_TEXT,
    'wonder',
    'wrong',
    'hub-secret-for-service',
    'password-of-admin',
    'eyJ',
    'argon2',
  ])
    expect(logged).not.toContain(secret);
});
