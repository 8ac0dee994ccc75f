// mosquitto_pub and mosquitto_sub over TLS: server and client certificates, server names, ALPN, pre-shared keys; and MQTT.js.

import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Authority } from '../transport/certificates.ts';
import { Broker, unique } from './broker.ts';
import { CLIENTS, MOSQUITTO_VERSIONS, pub, sub, tryPub } from './mosquitto.ts';
import { connect, endClients, JsClient, VERSIONS } from './mqttjs.ts';
import { endTools, judgedBy } from './tool.ts';

const KEY = '00112233445566778899aabbccddeeff';

endTools();
endClients();

judgedBy([...CLIENTS, 'stdbuf', 'openssl'], 'TLS', () => {
  const broker = new Broker();
  let authority: Authority;
  let strange: Authority;

  beforeAll(async () => {
    authority = new Authority();
    strange = new Authority('Somebody else');
    broker.write('ca.pem', authority.ca);
    broker.write('strange-ca.pem', strange.ca);
    const issued = {
      server: authority.issue('localhost'),
      other: authority.issue('other.example'),
      carl: authority.issue('carl'),
      strange: strange.issue('carl'),
    };
    for (const [name, { cert, key }] of Object.entries(issued)) {
      broker.write(`${name}.pem`, cert);
      broker.write(`${name}.key`, key);
    }
    broker.write('psk', `dora:${KEY}\n`);
    broker.write('acl', 'user carl\nallow both carl/#\nuser dora\nallow both dora/#\n');
    const own = { cert: './server.pem', key: './server.key' };
    const tls = (name: string, more: object, type = 'tls') => ({
      ...{ name, type, host: '127.0.0.1', port: 0 },
      ...more,
    });
    await broker.start({
      listeners: [
        tls('tls', { tls: own }),
        tls('wss', { tls: own }, 'wss'),
        tls('mutual', {
          tls: { ...own, ca: './ca.pem', requireCert: true, certificateIsUser: true },
          auth: { engine: 'file', acl: './acl' },
        }),
        tls('psk', { tls: { psk: './psk' }, auth: { engine: 'file', acl: './acl' } }),
        tls('names', {
          tls: { cert: './other.pem', key: './other.key', sni: [{ name: 'localhost', ...own }] },
        }),
      ],
    });
  });
  afterAll(async () => {
    await broker.stop();
    authority.remove();
    strange.remove();
  });

  const at = (listener: string) => ['-h', 'localhost', '-p', `${broker.port(listener)}`];
  const trust = () => ['--cafile', broker.file('ca.pem')];
  const certificate = (name: string) => [
    '--cert',
    broker.file(`${name}.pem`),
    '--key',
    broker.file(`${name}.key`),
  ];

  test.each(MOSQUITTO_VERSIONS)('--cafile, -V %s', async (version) => {
    const topic = unique('tls');
    const subscriber = await sub([...at('tls'), ...trust(), '-V', version, '-q', '2', '-t', topic]);
    await pub([...at('tls'), ...trust(), '-V', version, '-q', '2', '-t', topic, '-m', 'sealed']);
    expect(await subscriber.next()).toBe(`${topic} sealed`);
  });

  test.each(['tlsv1.2', 'tlsv1.3'])('--tls-version %s', async (version) => {
    await pub([...at('tls'), ...trust(), '--tls-version', version, '-q', '1', '-t', 'x', '-m', 'm']);
  });

  test('the certificate is chosen by the server name', async () => {
    await pub([...at('names'), ...trust(), '-q', '1', '-t', 'x', '-m', 'm']);
    const client = await connect(broker, { ca: authority.ca, servername: 'other.example' }, 'names');
    expect((client.mqtt.stream as unknown as TLSSocket).getPeerCertificate().subject.CN).toBe(
      'other.example',
    );
  });

  test('a large file over TLS', async () => {
    const topic = unique('tls');
    const file = broker.write('large', Buffer.alloc(3_000_000, 'x'));
    const subscriber = await sub([...at('tls'), ...trust(), '-q', '1', '-t', topic], '%l');
    await pub([...at('tls'), ...trust(), '-q', '1', '-t', topic, '-f', file]);
    expect(await subscriber.next()).toBe('3000000');
  });

  test('--tls-alpn mqtt is agreed to, another name is not', async () => {
    await pub([...at('tls'), ...trust(), '--tls-alpn', 'mqtt', '-q', '1', '-t', 'x', '-m', 'm']);
    const exit = await tryPub([...at('tls'), ...trust(), '--tls-alpn', 'http/1.1', '-t', 'x', '-m', 'm']);
    expect(exit.code).not.toBe(0);
  });

  test('an authority that the client does not know', async () => {
    const exit = await tryPub([
      ...at('tls'),
      '--cafile',
      broker.file('strange-ca.pem'),
      '-t',
      'x',
      '-m',
      'm',
    ]);
    expect(exit.code).not.toBe(0);
    expect(exit.errors).toMatch(/TLS|certificate/i);
  });

  test('a client certificate is the user', async () => {
    const carl = [...at('mutual'), ...trust(), ...certificate('carl')];
    const subscriber = await sub([...carl, '-t', 'carl/#']);
    await pub([...carl, '-q', '1', '-t', 'carl/a', '-m', 'mine']);
    expect(await subscriber.next()).toBe('carl/a mine');
    const other = await tryPub([...carl, '-V', 'mqttv5', '-d', '-q', '1', '-t', 'dora/a', '-m', 'not mine']);
    expect(other.out).toContain('RC:135');
  });

  test.each([
    ['none', []],
    ["a stranger's", ['strange']],
  ])('client certificate: %s is refused', async (_whose, [name]) => {
    const own = name === undefined ? [] : certificate(name);
    const exit = await tryPub([...at('mutual'), ...trust(), ...own, '-q', '1', '-t', 'carl/a', '-m', 'm']);
    expect(exit.code).not.toBe(0);
  });

  test('--psk and --psk-identity', async () => {
    const dora = [...at('psk'), '--psk', KEY, '--psk-identity', 'dora'];
    const subscriber = await sub([...dora, '-t', 'dora/#']);
    await pub([...dora, '-q', '1', '-t', 'dora/a', '-m', 'shared secret']);
    expect(await subscriber.next()).toBe('dora/a shared secret');
  });

  test.each([
    ['key', 'dora', `ff${KEY.slice(2)}`],
    ['identity', 'nobody', KEY],
  ])('a wrong pre-shared %s', async (_what, identity, key) => {
    const exit = await tryPub([...at('psk'), '--psk', key, '--psk-identity', identity, '-t', 'x', '-m', 'm']);
    expect(exit.code).not.toBe(0);
  });

  test.each(VERSIONS.flatMap((v) => [['tls', v] as const, ['wss', v] as const]))(
    'MQTT.js over %s at version %i',
    async (listener, protocolVersion) => {
      const topic = unique('tls');
      const client = await connect(broker, { protocolVersion, ca: authority.ca }, listener);
      await client.subscribe(topic, { qos: 2 });
      const payload = 'x'.repeat(1_000_000);
      await client.publish(topic, payload, { qos: 2 });
      expect((await client.next()).text).toBe(payload);
    },
  );

  test('MQTT.js with a client certificate, and with ALPN', async () => {
    const { cert, key } = authority.issue('carl');
    const client = await connect(broker, { ca: authority.ca, cert, key, ALPNProtocols: ['mqtt'] }, 'mutual');
    const [granted] = await client.subscribe('carl/x', { qos: 1 });
    expect(granted!.qos).toBe(1);
    const stranger = new JsClient(broker.url('mutual'), { ca: authority.ca });
    await expect(stranger.online()).rejects.toThrow();
  });
});
