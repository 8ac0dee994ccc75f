// `waymeet pub` and `sub` over CoAP against a hub with real sockets.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { unique, useBroker } from '../../test/judges/broker.ts';
import { startIn } from '../../test/judges/command.ts';
import { Authority } from '../../test/transport/certificates.ts';
import { connect } from '../client/connect.ts';

const local = { host: '127.0.0.1', port: 0 };
const AUTHORITY = new Authority();
const HUB = AUTHORITY.issue('localhost');
const SECRET = '0102030405060708090a0b0c0d0e0f10';
const at = mkdtempSync(join(tmpdir(), 'waymeet-cli-'));
const file = (name: string, text: string): string => {
  writeFileSync(join(at, name), text);
  return join(at, name);
};
afterAll(() => {
  AUTHORITY.remove();
  rmSync(at, { recursive: true });
});

const broker = useBroker(() => ({
  listeners: [
    { name: 'udp', type: 'udp', ...local },
    { name: 'tcp', type: 'tcp', ...local },
    { name: 'ws', type: 'ws', ...local },
    { name: 'tls', type: 'tls', ...local },
    { name: 'dtls', type: 'dtls', ...local },
    { name: 'sn', type: 'dtls', protocols: 'mqttsn', ...local },
  ],
  tls: {
    cert: file('cert.pem', HUB.cert),
    key: file('key.pem', HUB.key),
    psk: file('psk', 'sensor:00112233445566778899aabbccddeeff\n'),
  },
  coap: { oscore: file('contexts', `sensor:0a:01:${SECRET}\n`) },
}));

const start = (args: readonly string[]) => startIn(broker.folder, args);

describe.each(['coap', 'coap+tcp'])('%s', (scheme) => {
  const url = (path: string) =>
    `${scheme}://127.0.0.1:${broker.port(scheme === 'coap' ? 'udp' : 'tcp')}${path}`;

  test('what one publishes the other prints, the retained value first', async () => {
    const topic = unique('cli');
    expect(await start(['pub', url(`/t/${topic}`), '-r', '-m', 'kept']).code).toBe(0);
    const sub = start(['sub', url(`/t/${topic}`), '-C', '3']);
    expect(await sub.lines.next()).toBe('kept');
    expect(await start(['pub', '-L', url('/'), '-t', topic, '-m', 'x'.repeat(3_000)]).code).toBe(0);
    expect(await sub.lines.next()).toBe('x'.repeat(3_000));
    expect(await start(['pub', url(`/t/${topic}`), '-m', 'last', '-q', '1']).code).toBe(0);
    expect(await sub.lines.next()).toBe('last');
    expect(await sub.code).toBe(0);
  });

  test('wildcards: each message with its topic and properties', async () => {
    const root = unique('wild');
    await start(['pub', url(`/t/${root}/a`), '-r', '-m', '{}', '--content-type', 'application/json']).code;
    const sub = start(['sub', '-L', url('/'), '-t', `${root}/#`, '-C', '1', '--json']);
    expect(JSON.parse(await sub.lines.next())).toMatchObject({
      topic: `${root}/a`,
      payload: '{}',
      contentType: 'application/json',
    });
  });

  test('refused: the code and the reason are said', async () => {
    const pub = start(['pub', url('/t/a/+'), '-m', 'x']);
    expect([await pub.code, pub.errors()]).toEqual([1, expect.stringContaining('no topic')]);
    const sub = start(['sub', url('/nothing')]);
    expect([await sub.code, sub.errors()]).toEqual([1, expect.stringContaining('4.04')]);
  });
});

test('a scheme that is not spoken', async () => {
  const pub = start(['pub', 'gopher://localhost/t/a', '-t', 'a', '-m', 'x']);
  expect([await pub.code, pub.errors()]).toEqual([
    2,
    expect.stringContaining('nobody here speaks gopher://'),
  ]);
});

const CA = ['--cafile', file('ca.pem', AUTHORITY.ca)];
const PSK = ['--psk-identity', 'sensor', '--psk', '00112233445566778899aabbccddeeff'];
const OSCORE = ['--oscore', file('ours', `hub:01:0a:${SECRET}\n`)];
const DERIVED = ['--oscore', file('derived', `hub:01:0a:${SECRET}::*\n`)];

test.each([
  ['coaps', 'dtls', PSK],
  ['coaps', 'dtls', CA],
  ['coaps+tcp', 'tls', CA],
  ['coap+ws', 'ws', []],
  ['mqttsns', 'sn', PSK],
  ['coap', 'udp', OSCORE],
  ['coap+tcp', 'tcp', OSCORE],
  ['coap', 'udp', DERIVED],
])('%s to %s %j', async (scheme, listener, flags) => {
  const url = `${scheme}://localhost:${broker.port(listener)}/`;
  const topic = unique('way');
  const first = start(['pub', '-L', url, ...flags, '-t', topic, '-r', '-q', '1', '-m', 'there']);
  expect([await first.code, first.errors()]).toEqual([0, '']);
  const sub = start(['sub', '-L', url, ...flags, '-t', topic, '-C', '1']);
  expect(await sub.lines.next()).toBe('there');
  expect(await sub.code).toBe(0);
});

test.each([undefined, 'derived' as const])(
  'OSCORE in the options of the library, id context %s',
  async (idContext) => {
    const oscore = {
      masterSecret: new Uint8Array(Buffer.from(SECRET, 'hex')),
      senderId: Uint8Array.of(0x0a),
      recipientId: Uint8Array.of(1),
      ...(idContext === undefined ? {} : { idContext }),
    };
    const client = await connect(`coap://127.0.0.1:${broker.port('udp')}`, { oscore });
    const topic = unique('sealed');
    await client.publish(topic, 'there', { qos: 1, retain: true });
    const heard = await client.subscribe(topic);
    expect((await heard.next())!.text()).toBe('there');
    await client.close();
    await expect(connect(`mqtt://127.0.0.1:${broker.port('tcp')}`, { oscore })).rejects.toMatchObject({
      code: 'usage',
      fix: 'write coap://',
    });
  },
);

test('a resource, sealed', async () => {
  const url = `coap://127.0.0.1:${broker.port('udp')}/.well-known/core?rt=core.ps`;
  const sub = start(['sub', url, ...OSCORE, '-C', '1']);
  expect(await sub.lines.next()).toContain('core.ps');
});
