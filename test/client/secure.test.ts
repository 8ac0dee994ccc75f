// The client over TLS and DTLS, against the whole hub on real sockets: every scheme with its authority pinned, and what must not be trusted.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import { WaymeetError } from '../../src/client/error.ts';
import type { TlsOptions } from '../../src/client/options.ts';
import type { Server } from '../../src/server/start.ts';
import { Authority } from '../transport/certificates.ts';
import { startHub } from '../web/hub.ts';

/** Scheme, the hub's listener, and what it is carried by. */
const SCHEMES = [
  ['mqtts', 'tls'],
  ['wss', 'wss'],
  ['amqps', 'tls'],
  ['amqps+ws', 'wss'],
  ['amqp091s', 'tls'],
  ['stomps', 'tls'],
  ['stomp+ssl', 'tls'],
  ['stomp+wss', 'wss'],
  ['xmpps', 'tls'],
  ['xmpp', 'starttls'],
  ['xmpp+wss', 'wss'],
  ['https', 'wss'],
  ['json+wss', 'wss'],
  ['cbor+wss', 'wss'],
  ['coaps', 'dtls'],
  ['coaps+tcp', 'tls'],
  ['coaps+ws', 'wss'],
  ['mqttsns', 'dtls'],
] as const;
const KEYED = [
  ['coaps', 'dtls'],
  ['mqttsns', 'dtls'],
  ['mqtts', 'tls'],
  ['amqps', 'tls'],
] as const;
const KEY = '00112233445566778899aabbccddeeff';

const authority = new Authority();
const strangers = new Authority('Another CA');
const folder = mkdtempSync(path.join(tmpdir(), 'waymeet-secure-'));
let hub: Server;
const here = authority.issue('localhost');
const device = authority.issue('device-7');
const stranger = strangers.issue('device-7');

function write(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

beforeAll(async () => {
  const tls = { cert: write('cert.pem', here.cert), key: write('key.pem', here.key) };
  const strict = { ...tls, ca: write('ca.pem', authority.ca), requireCert: true };
  const elsewhere = authority.issue('other.example');
  const other = { cert: write('other.pem', elsewhere.cert), key: write('other.key', elsewhere.key) };
  const keyed = { psk: write('psk', `device-1:${KEY}\n`) };
  const listeners = [];
  for (const [name, how] of Object.entries({ good: tls, strict, other })) {
    listeners.push(
      { name: `tls ${name}`, type: 'tls', port: 0, tls: how },
      { name: `wss ${name}`, type: 'wss', port: 0, tls: how },
      { name: `starttls ${name}`, type: 'tcp', port: 0, tls: how, protocols: ['xmpp'] },
      { name: `coaps ${name}`, type: 'dtls', port: 0, tls: how, protocols: ['coap'] },
      { name: `mqttsns ${name}`, type: 'dtls', port: 0, tls: how, protocols: ['mqttsn'] },
    );
  }
  listeners.push({ name: 'tls keyed', type: 'tls', port: 0, tls: keyed });
  listeners.push({ name: 'plain', type: 'tcp', port: 0, protocols: ['xmpp'], tls: {} });
  for (const [scheme, protocol] of [
    ['coaps', 'coap'],
    ['mqttsns', 'mqttsn'],
  ])
    listeners.push({ name: `${scheme} keyed`, type: 'dtls', port: 0, tls: keyed, protocols: [protocol] });
  hub = await startHub({ listeners, xmpp: { starttls: 'required' } });
});
afterAll(async () => {
  await hub?.stop();
  authority.remove();
  strangers.remove();
  rmSync(folder, { recursive: true, force: true });
});

function urlOf(scheme: string, carrier: string, which: string): string {
  const listener = `${carrier === 'dtls' ? scheme : carrier} ${which}`;
  return `${scheme}://localhost:${new URL(hub.address(listener).replace(/^[\w+]+:/, 'http:')).port}`;
}

// In TLS 1.3 a server looks at our certificate when we are done; its alert may be lost with the connection, and Node's says none.
const NOT_OURS =
  /^cannot connect to \S+: (it wants a certificate of ours|it does not take our certificate|it ended the connection right after the TLS handshake|we have no TLS version or cipher in common): .*tls\.cert/;
const UNKNOWN = /^cannot connect to \S+: its certificate is signed by nobody who is trusted here: give /;
const ANOTHER =
  /^cannot connect to \S+: its certificate is for (other\.example, and not for this|another) name: connect/;

async function refused(url: string, tls: TlsOptions): Promise<WaymeetError> {
  const why = await connect(url, { tls, connectMs: 'psk' in tls ? 200 : 5_000, reconnect: false }).then(
    // HTTP has no login: the first request meets the refusal.
    (client) => client.publish('a', 'x', { qos: 1 }).catch((error: unknown) => error),
    (error: unknown) => error,
  );
  expect(why).toBeInstanceOf(WaymeetError);
  return why as WaymeetError;
}

async function thereAndBack(url: string, tls: TlsOptions): Promise<void> {
  const client = await connect(url, { tls });
  const topic = `secure/${client.clientId || 'x'}`;
  const s = await client.subscribe(topic);
  const qos = client.ability.publishQos.includes(1) ? 1 : 0;
  await client.publish(topic, Uint8Array.of(0, 255, 7), { qos });
  expect((await s.next())?.payload).toEqual(Uint8Array.of(0, 255, 7));
  await client.close();
}

describe.each(SCHEMES)('%s (%s)', (scheme, carrier) => {
  test('publish and subscribe, the authority pinned', async () => {
    await thereAndBack(urlOf(scheme, carrier, 'good'), { ca: authority.ca });
  });

  test('our own certificate is shown to who asks; without one, or with a stranger’s, nobody enters', async () => {
    const url = urlOf(scheme, carrier, 'strict');
    await thereAndBack(url, { ca: authority.ca, cert: device.cert, key: device.key });
    for (const own of [{}, { cert: stranger.cert, key: stranger.key }]) {
      const why = await refused(url, { ca: authority.ca, ...own });
      if (scheme === 'https' && why.code === 'unavailable') continue;
      expect(['bad-credentials', 'unavailable']).toContain(why.code);
      expect(why.message).toMatch(NOT_OURS);
    }
  });

  test('a server that our authority does not vouch for, or for another name, is refused', async () => {
    const unknown = await refused(urlOf(scheme, carrier, 'good'), { ca: strangers.ca });
    expect([unknown.code, unknown.message]).toEqual(['untrusted', expect.stringMatching(UNKNOWN)]);
    const other = await refused(urlOf(scheme, carrier, 'other'), { ca: authority.ca });
    expect([other.code, other.message]).toEqual(['untrusted', expect.stringMatching(ANOTHER)]);
  });
});

describe('a key that both sides know', () => {
  const psk = { identity: 'device-1', key: Buffer.from(KEY, 'hex') };

  test.each(KEYED)('%s', async (scheme, carrier) => {
    const url = urlOf(scheme, carrier, 'keyed');
    await thereAndBack(url, { psk });
    const strangers = [
      { ...psk, identity: 'device-2' },
      { ...psk, key: Buffer.from('ff'.repeat(16), 'hex') },
    ];
    for (const stranger of strangers) {
      const why = await refused(url, { psk: stranger });
      // DTLS drops what does not fit: it tells nobody [RFC6347-4.1.2.7].
      if (carrier === 'dtls')
        expect([why.code, why.reason]).toEqual(['timed-out', expect.stringContaining(url)]);
      else expect([why.code, why.fix]).toEqual(['bad-credentials', expect.stringContaining('tls.psk')]);
    }
  });
});

describe('STARTTLS', () => {
  test('may be asked for, and done without where the server allows it', async () => {
    const { port } = new URL(hub.address('plain').replace(/^[\w+]+:/, 'http:'));
    const url = `xmpp://localhost:${port}`;
    await thereAndBack(url, {});
    const why = await refused(`${url}?starttls=always`, {});
    expect([why.code, why.reason]).toEqual([
      'not-supported',
      expect.stringContaining('the server offers no STARTTLS'),
    ]);
    const never = await refused(`${urlOf('xmpp', 'starttls', 'good')}?starttls=never`, {});
    expect([never.code, never.reason]).toEqual(['not-supported', expect.stringContaining('xmpps://')]);
  });
});

test('certificates that are none, and keys that are another certificate’s, are told before anything is sent', async () => {
  for (const tls of [
    { cert: 'nothing', key: 'nothing' },
    { cert: device.cert, key: stranger.key },
  ]) {
    for (const [scheme, carrier] of [
      ['mqtts', 'tls'],
      ['wss', 'wss'],
      ['coaps', 'dtls'],
    ] as const) {
      const why = await refused(urlOf(scheme, carrier, 'good'), { ca: authority.ca, ...tls });
      expect([why.code, why.fix]).toEqual(['usage', expect.stringContaining('PEM')]);
    }
  }
});

test('a port that speaks no TLS', async () => {
  const { port } = new URL(hub.address('plain').replace(/^[\w+]+:/, 'http:'));
  const why = await refused(`mqtts://localhost:${port}`, { ca: authority.ca });
  expect([why.code, why.reason]).toEqual(['unreachable', expect.stringContaining('does not speak TLS')]);
});

test('giving up while a handshake is under way ends at once', async () => {
  const silent = createSocket('udp4').bind(0, '127.0.0.1');
  await once(silent, 'listening');
  const stop = new AbortController();
  const connecting = connect(`coaps://127.0.0.1:${silent.address().port}`, {
    tls: { ca: authority.ca },
    signal: stop.signal,
  });
  await once(silent, 'message'); // the first hello
  stop.abort();
  await expect(connecting).rejects.toMatchObject({ code: 'aborted' });
  silent.close();
});
