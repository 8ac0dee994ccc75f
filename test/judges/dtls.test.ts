// DTLS judged by others: libcoap's clients over OpenSSL and GnuTLS through a whole broker, and OpenSSL itself in both roles.

import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { isPreShared, SUITES } from '../../src/transport/dtls/suites.ts';
import { dialDtls } from '../../src/transport/dtls-dial.ts';
import { Authority, type Issued } from '../transport/certificates.ts';
import { Broker, unique } from './broker.ts';
import { Inbox } from './inbox.ts';
import { connect, endClients } from './mqttjs.ts';
import { endTools, judgedBy, run, Tool } from './tool.ts';

const KEY = 'sixteen-or-more-octets';
const HEX = Buffer.from(KEY).toString('hex');

endTools();
endClients();

const broker = new Broker();
let authority: Authority;
let server: Issued;

beforeAll(async () => {
  authority = new Authority();
  server = authority.issue('localhost');
  const strangers = new Authority('Somebody else');
  const issued = { server, carl: authority.issue('carl'), strange: strangers.issue('carl') };
  for (const [name, { cert, key }] of Object.entries(issued)) {
    broker.write(`${name}.pem`, cert);
    broker.write(`${name}.key`, key);
  }
  strangers.remove();
  broker.write('ca.pem', authority.ca);
  broker.write('psk', `dora:${HEX}\n`);
  broker.write('acl', 'user carl\nallow both carl/#\nuser dora\nallow both dora/#\n');
  const local = { host: '127.0.0.1', port: 0 };
  await broker.start({
    listeners: [
      { name: 'tcp', type: 'tcp', ...local },
      {
        ...{ name: 'dtls', type: 'dtls', ...local },
        tls: {
          cert: './server.pem',
          key: './server.key',
          ca: './ca.pem',
          psk: './psk',
          certificateIsUser: true,
        },
        auth: { engine: 'file', acl: './acl' },
      },
    ],
  });
});
afterAll(async () => {
  await broker.stop();
  authority.remove();
});

const url = (path: string) => `coaps://127.0.0.1:${broker.port('dtls')}/t/${path}`;

for (const client of ['coap-client-openssl', 'coap-client-gnutls']) {
  judgedBy([client, 'stdbuf', 'openssl'], client, () => {
    const sharing = ['-k', KEY, '-u', 'dora'];
    const certified = () => [
      ...['-c', broker.file('carl.pem'), '-j', broker.file('carl.key'), '-R', broker.file('ca.pem')],
    ];
    const coap = (...words: string[]) => run([client, '-B', '5', ...words]);

    test.each([
      ['a shared key', 'dora', () => sharing],
      ['certificates', 'carl', certified],
    ])('%s: who it is counts; what it publishes reaches MQTT, and comes back', async (_, who, proof) => {
      const topic = `${who}/${unique('topic')}`;
      const mqtt = await connect(broker, { protocolVersion: 5 });
      await mqtt.subscribe(topic);
      await coap(...proof(), '-m', 'put', '-e', 'from a device', `${url(topic)}?retain=1`);
      expect((await mqtt.next()).text).toBe('from a device');
      expect((await coap(...proof(), url(topic))).out).toBe('from a device\n');
      const elsewhere = await coap(...proof(), '-m', 'put', '-e', 'x', url('elsewhere'));
      expect(elsewhere.out + elsewhere.errors).toMatch(/4\.0[13]/);
    });

    test('an observer hears MQTT', async () => {
      const topic = `dora/${unique('observed')}`;
      const mqtt = await connect(broker, { protocolVersion: 5 });
      await mqtt.publish(topic, 'first', { qos: 1, retain: true });
      const observer = new Tool([client, ...sharing, '-s', '60', '-w', url(topic)]);
      await observer.lines.find((line) => line === 'first');
      await mqtt.publish(topic, 'second', { qos: 1 });
      await observer.lines.find((line) => line === 'second');
    });

    test('another key, an unknown identity and a stranger’s certificate: nothing', async () => {
      const topic = `dora/${unique('secret')}`;
      const mqtt = await connect(broker, { protocolVersion: 5 });
      await mqtt.publish(topic, 'secret', { qos: 1, retain: true });
      const strange = ['-c', broker.file('strange.pem'), '-j', broker.file('strange.key')];
      const tries = [
        ['-k', 'another key of some octets', '-u', 'dora'],
        ['-k', KEY, '-u', 'nobody'],
        [...strange, '-R', broker.file('ca.pem')],
      ].map((proof) => run([client, '-B', '2', ...proof, url(topic)]));
      for (const { out } of await Promise.all(tries)) expect(out).not.toContain('secret');
      expect((await coap(...sharing, url(topic))).out).toBe('secret\n');
    });
  });
}

judgedBy(['openssl', 'stdbuf'], 'openssl s_client', () => {
  const offered = execFileSync('openssl', ['ciphers', 'ALL:PSK:@SECLEVEL=0'], { encoding: 'utf8' });
  const known = SUITES.filter((s) => `:${offered.trim()}:`.includes(`:${s.name}:`));
  /** To the prompt that a finished handshake shows, and away. */
  async function handshake(words: readonly string[]) {
    const to = ['-connect', `127.0.0.1:${broker.port('dtls')}`];
    const tool = new Tool(
      ['openssl', 's_client', '-dtls1_2', ...to, '-servername', 'localhost', ...words],
      '',
    );
    const { out, errors } = await tool.exit;
    return out + errors;
  }
  const keyed = ['-psk', HEX, '-psk_identity', 'dora'];
  const certified = () => ['-cert', broker.file('carl.pem'), '-key', broker.file('carl.key')];

  test('every suite that both know', async () => {
    const names = known.filter((s) => s.exchange !== 'ecdhe-rsa');
    expect(names.length).toBeGreaterThan(10);
    // Half a second each, in which s_client waits for the end of its input.
    const said = names.map(({ name, exchange }) => {
      const proof = isPreShared(exchange) ? keyed : certified();
      return handshake(['-cipher', `${name}:@SECLEVEL=0`, '-CAfile', broker.file('ca.pem'), ...proof]);
    });
    for (const [i, text] of (await Promise.all(said)).entries()) {
      expect(text).toContain(`Cipher is ${names[i]!.name}`);
      expect(text).toContain('Extended master secret: yes');
      expect(text).toContain('Verification: OK');
    }
  });

  test('a session is resumed', async () => {
    const kept = ['-sess_out', broker.file('session')];
    expect(await handshake([...keyed, '-cipher', 'PSK', ...kept])).toContain('New, TLSv1.2');
    const again = await handshake([...keyed, '-cipher', 'PSK', '-sess_in', broker.file('session')]);
    expect(again).toContain('Reused, TLSv1.2');
  });

  test('a small path: our certificate comes in pieces, and theirs', async () => {
    const said = await handshake([...certified(), '-CAfile', broker.file('ca.pem'), '-mtu', '300']);
    expect(said).toContain('Verification: OK');
  });

  test('an older version is refused', async () => {
    const to = ['-connect', `127.0.0.1:${broker.port('dtls')}`];
    const { out, errors } = await run(
      ['openssl', 's_client', '-dtls1', '-cipher', 'ALL:@SECLEVEL=0', ...to],
      '',
    );
    expect(out + errors).toContain('alert protocol version');
  });
});

/** A UDP port that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

judgedBy(['openssl', 'stdbuf'], 'openssl s_server', () => {
  const children: ChildProcessWithoutNullStreams[] = [];
  let carl: Issued;

  beforeAll(() => {
    carl = authority.issue('carl');
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill();
  });

  async function listening() {
    const lines = new Inbox<string>('lines of s_server');
    const port = await freePort();
    const words = [
      ...['s_server', '-dtls1_2', '-listen', '-port', String(port), '-cipher', 'ALL:PSK:@SECLEVEL=0'],
      ...['-cert', broker.file('server.pem'), '-key', broker.file('server.key')],
      ...['-psk', HEX, '-psk_identity', 'dora', '-verify', '1', '-CAfile', broker.file('ca.pem')],
    ];
    // Line by line also into a pipe.
    const child = spawn('stdbuf', ['-oL', 'openssl', ...words]);
    children.push(child);
    createInterface(child.stdout).on('line', (line) => lines.push(line));
    createInterface(child.stderr).on('line', (line) => lines.push(line));
    await lines.find((line) => line === 'ACCEPT');
    return { lines, port, child };
  }

  const suites = SUITES.filter((s) => s.exchange !== 'ecdhe-rsa' && !/ECDHE-PSK-AES/.test(s.name));
  test.each(suites.map((s) => [s.name, s] as const))(
    '%s: words both ways, and goodbye',
    async (name, suite) => {
      const { lines, port, child } = await listening();
      const inbox = new Inbox<string>('contents');
      const socket = await dialDtls({
        ...{ host: '127.0.0.1', port, serverName: 'localhost', suites: [suite], ca: authority.ca },
        credentials: carl,
        preShared: { identity: 'dora', key: Buffer.from(KEY) },
        received: (content) => inbox.push(Buffer.from(content).toString()),
      });
      expect(socket.proof).toMatchObject({ suite, extendedMasterSecret: true, resumed: false });
      await lines.find((line) => line === `CIPHER is ${name}`);
      socket.send(Buffer.from('from us\n'));
      await lines.find((line) => line === 'from us');
      child.stdin.write('from them\n');
      expect(await inbox.next()).toBe('from them\n');
      socket.close();
      await lines.find((line) => line === 'CONNECTION CLOSED');
    },
  );
});
