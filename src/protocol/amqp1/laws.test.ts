// Laws: any chunking is the same conversation, noise ends its own connection only, and every body is something to everybody.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Amqp1Client } from '../../../test/amqp1-client.ts';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { octets } from '../../../test/hex.ts';
import { startBroker, toHex } from '../../../test/network.ts';
import { Message, NEVER } from '../../contract/message.ts';
import { encodeComposite } from './composite.ts';
import { encodeValue } from './encode.ts';
import { ConnectionFault } from './fault.ts';
import { AMQP_HEADER, encodeFrame, encodeSasl, FrameCutter, SASL_HEADER } from './frames.ts';
import { headOf, messageOf, payloadOf, tailOf } from './map.ts';
import {
  ATTACH,
  BEGIN,
  CLOSE,
  DISPOSITION,
  FLOW,
  OPEN,
  PROPERTIES,
  RECEIVER,
  SENDER,
  TRANSFER,
} from './packet.ts';
import { Sections } from './sections.ts';
import type { AmqpValue } from './types.ts';

const ORIGIN = { protocol: 'amqp1', client: 'c', principal: 'p' };

/** A whole conversation: login, session, a link each way, messages in several frames, answers, goodbye. */
function conversation(): Uint8Array {
  const parts: Uint8Array[] = [SASL_HEADER, encodeSasl({ kind: 0x41, mechanism: 'ANONYMOUS' }), AMQP_HEADER];
  const say = (...all: Parameters<typeof encodeFrame>[1][]) =>
    parts.push(...all.map((p) => encodeFrame(0, p)));
  const windows = { nextOutgoingId: 0, incomingWindow: 1_000, outgoingWindow: 1_000 };
  say(
    { kind: OPEN, containerId: 'law', maxFrameSize: 512 },
    { kind: BEGIN, ...windows },
    {
      kind: ATTACH,
      name: 'in',
      handle: 0,
      role: RECEIVER,
      source: { kind: 0x28, address: 'a/+' },
      target: { kind: 0x29 },
    },
    {
      kind: ATTACH,
      name: 'out',
      handle: 1,
      role: SENDER,
      target: { kind: 0x29, address: 'a/b' },
      initialDeliveryCount: 0,
    },
    { kind: FLOW, nextIncomingId: 0, ...windows, handle: 0, deliveryCount: 0, linkCredit: 100 },
  );
  const data = Buffer.concat([octets('00 53 75 b0 00 00 07 d0'), Buffer.alloc(2_000, 'x')]);
  for (let deliveryId = 0; deliveryId < 3; deliveryId++) {
    const first = { deliveryId, deliveryTag: Uint8Array.of(deliveryId), settled: deliveryId === 0 };
    for (let at = 0; at < data.length; at += 500) {
      const more = at + 500 < data.length;
      const frame = encodeFrame(0, { kind: TRANSFER, handle: 1, ...(at === 0 ? first : {}), more });
      const whole = Buffer.concat([frame, data.subarray(at, at + 500)]);
      whole.writeUInt32BE(whole.length);
      parts.push(whole);
    }
  }
  say(
    { kind: DISPOSITION, role: RECEIVER, first: 0, last: 9, settled: true, state: { kind: 0x24 } },
    { kind: CLOSE },
  );
  return new Uint8Array(Buffer.concat(parts));
}

async function answers(said: Uint8Array, cuts: readonly number[]): Promise<string> {
  const broker = await startBroker();
  const raw = broker.connect({ protocol: 'amqp1' });
  let at = 0;
  for (const cut of [...cuts.map((c) => c % said.length).toSorted((a, b) => a - b), said.length]) {
    raw.send(said.slice(at, cut));
    at = cut;
    await broker.clock.advance(0);
  }
  return toHex(raw.take());
}

describe('laws', () => {
  test('any chunking has the same effects', async () => {
    const said = conversation();
    // Answers are gathered differently, so what came of it is compared: the deliveries, and that the goodbye was answered.
    const transfersIn = (hexed: string) => hexed.split('00 53 14 ').length - 1;
    const whole = await answers(said, []);
    expect(transfersIn(whole)).toBeGreaterThanOrEqual(12);
    expect(whole.endsWith('00 53 18 45')).toBe(true);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 12 }), async (cuts) => {
        const cut = await answers(said, cuts);
        expect([transfersIn(cut), cut.endsWith('00 53 18 45')]).toEqual([transfersIn(whole), true]);
      }),
      fuzz(25),
    );
  });

  test('octets that are changed end their connection at most, and nobody else notices', async () => {
    const said = conversation();
    const broker = await startBroker();
    const other = await new Amqp1Client(broker).open('other');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(said.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        async (changes) => {
          const noise = said.slice();
          for (const [at, octet] of changes) noise[at] = octet;
          const raw = broker.connect({ protocol: 'amqp1' });
          raw.send(noise);
          await broker.clock.advance(20_000);
          other.raw.send(octets('00 00 00 08 02 00 00 00'));
          raw.cut();
        },
      ),
      fuzz(60),
    );
    expect(broker.log.filter((line) => line.startsWith('error'))).toEqual([]);
    expect(broker.hub.counters.of('amqp1').faults).toBe(0);
    other.receive(0, { address: 'still' });
    expect((await other.heardOf(ATTACH)).length).toBe(1);
  });

  test('noise after the login is a decode or framing error, in bounded memory', async () => {
    const broker = await startBroker();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 8, maxLength: 200 }), async (body) => {
        const client = await new Amqp1Client(broker).open();
        const frame = Buffer.concat([Buffer.from([0, 0, 0, body.length + 8, 2, 0, 0, 0]), body]);
        client.raw.send(frame);
        await broker.clock.advance(0);
        client.raw.cut();
      }),
      fuzz(150),
    );
    expect(broker.hub.counters.of('amqp1').faults).toBe(0);
  });

  test('frames are cut the same wherever their octets are parted', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40_000 }), { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 10 }),
        (bodies, cuts) => {
          const stream = Buffer.concat(
            bodies.map((body) => {
              const head = Buffer.from([0, 0, 0, 0, 2, 0, 0, 1]);
              head.writeUInt32BE(body.length + 8);
              return Buffer.concat([head, body]);
            }),
          );
          const cut: string[] = [];
          const cutter = new FrameCutter(50_000, (_type, _channel, bytes, start, end) =>
            cut.push(Buffer.from(bytes.subarray(start, end)).toString('latin1')),
          );
          let rest = Buffer.alloc(0);
          let at = 0;
          for (const end of [
            ...cuts.map((c) => c % stream.length).toSorted((a, b) => a - b),
            stream.length,
          ]) {
            const chunk = Buffer.concat([rest, stream.subarray(at, end)]);
            at = end;
            rest = chunk.subarray(cutter.cut(chunk, 0, chunk.length, () => true));
          }
          expect(cut).toEqual(bodies.map((body) => Buffer.from(body).toString('latin1')));
        },
      ),
      fuzz(40),
    );
  });
});

describe('bodies', () => {
  const described = (code: number, value: AmqpValue): Uint8Array =>
    encodeValue({ type: 'described', descriptor: { type: 'ulong', value: BigInt(code) }, value });
  const binary = (text: string): AmqpValue => ({ type: 'binary', value: Buffer.from(text) });
  const list = (...value: AmqpValue[]): AmqpValue => ({ type: 'list', value });
  const number = (value: number): AmqpValue => ({ type: 'uint', value });

  const BODIES: readonly [what: string, sections: Uint8Array[], payload: string, meta: object][] = [
    ['data', [described(0x75, binary('octets'))], 'octets', {}],
    [
      'data of several sections',
      [described(0x75, binary('one')), described(0x75, binary('two'))],
      'onetwo',
      {},
    ],
    ['a string', [described(0x77, { type: 'string', value: 'Wärme' })], 'Wärme', { text: true }],
    ['a binary value', [described(0x77, binary('octets'))], 'octets', {}],
    ['nothing', [described(0x77, { type: 'null', value: null })], '', { text: true }],
    ['no body at all', [], '', {}],
    ['a number', [described(0x77, number(7))], '7', { text: true, contentType: 'application/json' }],
    [
      'a map',
      [
        described(0x77, {
          type: 'map',
          value: [[{ type: 'string', value: 'deep' }, list(number(1), { type: 'boolean', value: true })]],
        }),
      ],
      '{"deep":[1,true]}',
      { text: true, contentType: 'application/json' },
    ],
    [
      'sequences',
      [described(0x76, list(number(1))), described(0x76, list(number(2), number(3)))],
      '[1,2,3]',
      { text: true, contentType: 'application/json' },
    ],
    [
      'what JSON has no word for',
      [
        described(
          0x77,
          list(
            { type: 'ulong', value: 2n ** 63n },
            { type: 'timestamp', value: 1_700_000_000_000n },
            { type: 'uuid', value: new Uint8Array(16) },
            { type: 'char', value: 0x1f321 },
            binary('\0\xff'),
          ),
        ),
      ],
      '["9223372036854775808",1700000000000,"00000000-0000-0000-0000-000000000000","\u{1f321}","AMO/"]',
      { text: true, contentType: 'application/json' },
    ],
  ];

  test.each(BODIES)('%s', (_what, sections, payload, meta) => {
    const bytes = new Uint8Array(Buffer.concat([encodeComposite(PROPERTIES, { subject: 's' }), ...sections]));
    const m = messageOf(new Sections(bytes), 't', 1, ORIGIN, 0);
    expect(Buffer.from(m.payload).toString()).toBe(payload);
    const { wrapping, user, ...rest } = m.meta!;
    expect(rest).toEqual(meta);
    expect(user).toEqual([{ name: 'subject', value: 's', section: 'properties' }]);
    // To a receiver of the same protocol: annotations of ours, and what came, octet by octet.
    const out = Buffer.concat([headOf(m), payloadOf(m), tailOf(m)]);
    expect(toHex(out).endsWith(toHex(bytes))).toBe(true);
    expect(wrapping?.dialect).toBe('amqp1');
  });

  test('who puts another payload into a message does not break its octets', () => {
    const bytes = described(0x75, binary('octets'));
    const m = messageOf(new Sections(bytes), 't', 1, ORIGIN, 0);
    const other = new Message('t', Buffer.from('longer than before'), 1, false, ORIGIN, 0, NEVER, m.meta);
    const out = new Uint8Array(Buffer.concat([headOf(other), payloadOf(other), tailOf(other)]));
    const again = messageOf(new Sections(out), 't', 1, ORIGIN, 0);
    expect(Buffer.from(again.payload).toString()).toBe('longer than before');
  });

  const WRONG: readonly [what: string, written: string][] = [
    ['a section twice', '00 53 73 45 00 53 73 45'],
    ['sections out of order', '00 53 74 c1 01 00 00 53 73 45'],
    ['a body of two kinds', '00 53 75 a0 00 00 53 77 40'],
    ['data that is no binary', '00 53 75 a1 00'],
    ['a string that is no UTF-8', '00 53 77 a1 01 ff'],
    ['no section', '00 53 24 45'],
    ['octets that are nothing', 'ff'],
  ];
  test.each(WRONG)('%s: decode error', (_what, written) => {
    expect(() => messageOf(new Sections(octets(written)), 't', 0, ORIGIN, 0)).toThrow(ConnectionFault);
  });

  test('text that says that it is UTF-8 and is not goes out as data', () => {
    const m = new Message('t', Uint8Array.of(0xff), 0, false, ORIGIN, 0, NEVER, { text: true });
    expect(toHex(Buffer.concat([headOf(m), payloadOf(m)]))).toMatch(/00 53 75 a0 01 ff$/);
  });
});
