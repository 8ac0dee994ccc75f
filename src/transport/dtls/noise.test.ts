// The noise law: nothing that is not proven changes an association that is open, and strangers get no more than they send.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { octets } from '../../../test/hex.ts';
import { DtlsNetwork, type Seen } from '../../../test/transport/dtls-network.ts';
import type { ClientSettings } from './client.ts';
import { Door } from './door.ts';
import { encodeWhole } from './fragments.ts';
import { encodeClientHello } from './hello.ts';
import { plainRecord } from './record.ts';
import { suiteOf } from './suites.ts';

const KEY = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
const SERVER = { certified: () => undefined, preSharedKey: () => KEY };
const PSK: ClientSettings = { preShared: { identity: 'sensor', key: KEY } };
const CCM8 = [suiteOf(0xc0a8)!];

async function opened(more: Partial<ClientSettings> = {}) {
  const network = new DtlsNetwork(SERVER);
  const client = network.client({ ...PSK, ...more }, 'home').begin();
  await network.clock.run();
  client.say('before');
  await network.clock.run();
  return { network, client };
}

/** A datagram that was seen, as it was, damaged, cut, or behind other octets; or noise that looks like a record. */
const attack = fc.oneof(
  fc.record({ of: fc.nat(), bit: fc.nat(), kind: fc.constantFrom('replay', 'flip', 'cut', 'join', 'epoch') }),
  fc.record({ noise: fc.uint8Array({ maxLength: 120 }), type: fc.integer({ min: 19, max: 27 }) }),
);
type Attack = typeof attack extends fc.Arbitrary<infer T> ? T : never;

function forge(a: Attack, seen: readonly Seen[]): Uint8Array {
  if ('noise' in a) {
    const record = plainRecord(a.type, 7, a.noise);
    return a.noise.length % 2 === 0 ? record : a.noise;
  }
  const bytes = Uint8Array.from(seen[a.of % seen.length]!.bytes);
  if (a.kind === 'flip') bytes[a.bit % bytes.length]! ^= 1 << (a.bit & 7);
  if (a.kind === 'epoch') bytes.set([0, a.bit % 3], 3);
  if (a.kind === 'cut') return bytes.subarray(0, a.bit % bytes.length);
  if (a.kind === 'join') return Uint8Array.from([...bytes, ...seen[a.bit % seen.length]!.bytes]);
  return bytes;
}

describe.each([
  ['without connection ids', {}],
  ['with connection ids', { connectionId: octets('01 02 03 04') }],
])('%s', (_, more) => {
  test('forged, damaged and repeated datagrams change nothing, on either side', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(attack, fc.constantFrom('home', 'stranger')), { minLength: 1, maxLength: 30 }),
        async (attacks) => {
          const { network, client } = await opened(more);
          const { line } = network.opened_[0]!;
          const record = [...network.seen];
          for (const [a, from] of attacks) {
            const bytes = forge(a, record);
            const before = network.seen.length;
            network.arrive({ from, to: 'server', bytes });
            // What a stranger gets is a cookie, smaller than its hello.
            for (const answer of network.seen.slice(before)) {
              if (answer.to === 'stranger') expect(answer.bytes.length).toBeLessThanOrEqual(bytes.length);
            }
            network.arrive({ from: 'server', to: 'home', bytes });
          }
          expect(network.received_.map((r) => r.text)).toEqual(['before']);
          expect(network.closed_.filter((c) => c.line === line)).toEqual([]);
          expect(line.remote.key).toBe('home');
          expect(line.association.state).toBe('open');
          expect(client.end).toBeUndefined();
          client.say('after');
          await network.clock.run();
          expect(client.received_).toEqual(['BEFORE', 'AFTER']);
        },
      ),
      fuzz(150),
    );
  });
});

test('noise during a handshake: it ends, well or not, and nothing but an answer is thrown', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(attack, { minLength: 1, maxLength: 20 }),
      fc.nat(1_000),
      async (attacks, seed) => {
        const network = new DtlsNetwork(SERVER, { jitterMs: 30 }, seed + 1);
        const client = network.client({ ...PSK, handshakeMs: 20_000 }, 'home').begin();
        for (const a of attacks) {
          await network.clock.advance(5);
          const bytes = forge(a, network.seen);
          network.arrive({ from: 'home', to: 'server', bytes });
          network.arrive({ from: 'server', to: 'home', bytes });
        }
        await network.clock.advance(60_000);
        expect(network.lines.handshakes).toBe(0);
        expect(client.proof !== undefined || client.end !== undefined).toBe(true);
      },
    ),
    fuzz(150),
  );
});

test('an alert in the clear, true or not, ends no association that is open', async () => {
  const { network, client } = await opened();
  for (const level of [1, 2]) {
    for (const code of [0, 20, 40]) {
      const bytes = plainRecord(21, 9, Uint8Array.of(level, code));
      network.arrive({ from: 'home', to: 'server', bytes });
      network.arrive({ from: 'server', to: 'home', bytes });
    }
  }
  client.say('still');
  await network.clock.run();
  expect(client.received_.at(-1)).toBe('STILL');
});

test('[RFC5746-4.5] renegotiation is refused with a warning, and the association goes on', async () => {
  const { network, client } = await opened({ suites: CCM8 });
  const { line } = network.opened_[0]!;
  const body = new Uint8Array(50);
  const hello = encodeWhole({ type: 1, sequence: 9, body });
  // Sealed with the client's own keys: it is proven, and refused nevertheless.
  const before = network.seen.length;
  client.send(client.association.record(1, 22, hello));
  await network.clock.run();
  const answers = network.seen.slice(before).filter((s) => s.from === 'server');
  expect(answers).toHaveLength(1);
  expect(answers[0]!.bytes[0]).toBe(21);
  expect(line.association.state).toBe('open');
  expect(network.lines.handshakes).toBe(0);
  client.say('on');
  await network.clock.run();
  expect(client.received_.at(-1)).toBe('ON');
});

describe('the door', () => {
  const hello = (cookie: Uint8Array, random = 1) =>
    plainRecord(
      22,
      3,
      encodeWhole({
        type: 1,
        sequence: cookie.length > 0 ? 1 : 0,
        body: encodeClientHello({
          ...{
            version: 0xfefd,
            random: new Uint8Array(32).fill(random),
            sessionId: new Uint8Array(0),
            cookie,
          },
          ...{ suites: [0xc0a8], compressions: Uint8Array.of(0), extensions: {} },
        }),
      }),
    );
  function cookieFrom(door: Door, now: number): Uint8Array {
    const knock = door.knock(hello(new Uint8Array(0)), 'a 1', now);
    if (knock.kind !== 'answer') throw new Error(knock.kind);
    expect(knock.datagram.length).toBeLessThanOrEqual(hello(new Uint8Array(0)).length);
    return knock.datagram.subarray(28);
  }

  test('[RFC6347-4.2.1] the cookie opens it for that address, that hello, and a while', () => {
    const door = new Door(0);
    const cookie = cookieFrom(door, 0);
    expect(cookie).toHaveLength(16);
    const knock = door.knock(hello(cookie), 'a 1', 1_000);
    expect(knock).toMatchObject({ kind: 'enter', first: { recordSequence: 3 } });
    expect(door.knock(hello(cookie), 'a 2', 1_000).kind).toBe('answer');
    expect(door.knock(hello(cookie, 2), 'a 1', 1_000).kind).toBe('answer');
    expect(door.knock(hello(cookie), 'a 1', 61_000).kind).toBe('enter');
    expect(door.knock(hello(cookie), 'a 1', 122_000).kind).toBe('answer');
  });

  test('long after, no old cookie opens it', () => {
    const door = new Door(0);
    const cookie = cookieFrom(door, 0);
    expect(door.knock(hello(cookie), 'a 1', 10_000_000).kind).toBe('answer');
  });

  test.each([
    ['nothing', ''],
    ['another type of record', '17 fe fd 00 00 00 00 00 00 00 00 00 01 00'],
    ['half a hello', '16 fe fd 00 00 00 00 00 00 00 00 00 0e 01 00 00 40 00 00 00 00 00 00 00 02 fe fd'],
    ['a hello of noise', '16 fe fd 00 00 00 00 00 00 00 00 00 0e 01 00 00 02 00 00 00 00 00 00 00 02 fe fd'],
  ])('silent: %s', (_, written) => {
    expect(new Door(0).knock(octets(written), 'a 1', 0).kind).toBe('ignore');
  });
});
