// The laws of the codec: what is written is read back, however it is cut, and noise is frames or ProtocolError.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { type Broker, startBroker } from '../../../test/network.ts';
import { StompClient } from '../../../test/stomp-client.ts';
import { Message, NEVER } from '../../contract/message.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { FrameDecoder } from './decode.ts';
import { encodeFrame } from './encode.ts';
import { headersOf, messageOf } from './map.ts';
import { type Frame, type FrameLimits, NO_BODY, VERSIONS, type Version } from './packet.ts';
import { stomp } from './protocol.ts';

const LIMITS: FrameLimits = { headBytes: 16_384, headers: 64, lineLength: 8_192, bodyBytes: 20_000 };

function decoderOf(version: Version): FrameDecoder {
  const decoder = new FrameDecoder(LIMITS, { gathering: 0, limit: 1e6 });
  decoder.version = version;
  return decoder;
}

/** Reads a stream that comes in chunks, as a peer does over a transport that keeps the rest. */
function decode(chunks: readonly Uint8Array[], version: Version): Frame[] {
  const decoder = decoderOf(version);
  const frames: Frame[] = [];
  let rest = new Uint8Array(0);
  for (const chunk of chunks) {
    // Behind the end lies what must not be read.
    const bytes = Buffer.concat([rest, chunk, Buffer.alloc(3)]);
    const end = rest.length + chunk.length;
    let at = 0;
    for (;;) {
      const frame = decoder.next(bytes, at, end);
      at = decoder.at;
      if (frame === undefined) break;
      frames.push(frame);
    }
    rest = Uint8Array.from(bytes.subarray(at, end));
    expect(rest.length).toBeLessThanOrEqual(LIMITS.headBytes + 3);
  }
  return frames;
}

/** Text that a version can say in a header. */
function word(version: Version, minLength: number): fc.Arbitrary<string> {
  const special = version === '1.0' ? [] : version === '1.1' ? [':', '\n', '\\'] : [':', '\n', '\\', '\r'];
  const plain = [...'abcXYZ09-_./', 'ä', '€', '\u{1f321}'];
  const inner = version === '1.0' ? plain : [...plain, ' '];
  return fc.string({ unit: fc.constantFrom(...inner, ...special), minLength, maxLength: 12 });
}

function frameOf(version: Version): fc.Arbitrary<Frame> {
  const header = fc.tuple(word(version, 1), word(version, 0)).filter(([name]) => name !== 'content-length');
  const headers = fc.array(header, { maxLength: 6 }).map((pairs) => pairs.flat());
  const octets = fc.uint8Array({ maxLength: 300 });
  const send = fc.tuple(headers, octets, fc.boolean()).map(([lines, body, counted]): Frame => {
    const length = counted || body.includes(0) ? ['content-length', String(body.length)] : [];
    return { command: 'SEND', headers: [...lines, ...length], body };
  });
  const other = fc
    .tuple(fc.constantFrom('SUBSCRIBE', 'ACK', 'NACK', 'BEGIN', 'COMMIT', 'DISCONNECT'), headers)
    .map(([command, lines]): Frame => ({ command, headers: lines, body: NO_BODY }) as Frame);
  return fc.oneof(send, other);
}

/** Positions to cut at, from fractions. */
function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const cuts = [0, ...at.map((f) => Math.floor(f * bytes.length)).toSorted((a, b) => a - b), bytes.length];
  return cuts.slice(1).map((to, i) => bytes.subarray(cuts[i], to));
}

const fraction = fc.double({ min: 0, max: 1, noNaN: true });

describe.each(VERSIONS)('STOMP %s', (version) => {
  test('law: any frames, cut anywhere, are read back', () => {
    const law = fc.property(
      fc.array(frameOf(version), { minLength: 1, maxLength: 5 }),
      fc.array(fraction, { maxLength: 12 }),
      fc.constantFrom('', '\n', '\r\n', '\n\n\r\n'),
      (frames, cuts, between) => {
        const written = frames.flatMap((f) => [encodeFrame(f, version), Buffer.from(between)]);
        const read = decode(cut(Buffer.concat(written), cuts), version);
        expect(read.map((f) => ({ ...f, body: [...f.body] }))).toEqual(
          frames.map((f) => ({ ...f, body: [...f.body] })),
        );
      },
    );
    fc.assert(law, fuzz(150));
  });

  test('law: noise is frames or ProtocolError', () => {
    const law = fc.property(
      frameOf(version),
      fc.array(fc.tuple(fraction, fc.nat(255)), { maxLength: 4 }),
      fc.array(fraction, { maxLength: 3 }),
      (frame, changes, cuts) => {
        const bytes = Buffer.from(encodeFrame(frame, version));
        for (const [at, octet] of changes) bytes[Math.floor(at * (bytes.length - 1))] = octet;
        try {
          decode(cut(bytes, cuts), version);
        } catch (why) {
          if (!(why instanceof ProtocolError)) throw why;
          expect(why.clause).toMatch(/^STOMP12-/);
        }
      },
    );
    fc.assert(law, fuzz(400));
  });
});

test('law: what a message says comes back', () => {
  const id = fc.oneof(
    fc.string({ minLength: 1 }),
    fc.constantFrom('AMQP_ULONG:7', 'AMQP_', 'AMQP_BINARY:0'),
    fc.uint8Array({ maxLength: 9 }),
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    fc.uuid().map((uuid) => ({ uuid })),
  );
  const meta = fc.record(
    {
      contentType: fc.constantFrom('application/json', 'image/png'),
      contentEncoding: fc.string(),
      responseTopic: fc.constantFrom('a/b', '$queue/jobs'),
      correlation: id,
      messageId: id,
      priority: fc.nat(255),
      createdAt: fc.nat(),
      groupId: fc.string(),
      groupSequence: fc.nat(),
      user: fc.array(fc.record({ name: fc.constantFrom('a', 'b'), value: fc.string() }), {
        minLength: 1,
        maxLength: 4,
      }),
    },
    { requiredKeys: [] },
  );
  const origin = { protocol: 'stomp', client: 'c', principal: 'p' };
  const law = fc.property(meta, (said) => {
    const m = new Message(
      't',
      NO_BODY,
      1,
      false,
      origin,
      0,
      NEVER,
      Object.keys(said).length > 0 ? said : undefined,
    );
    const frame: Frame = { command: 'SEND', headers: headersOf(m), body: m.payload };
    const back = messageOf(frame, 't', origin, 0, () => '');
    expect(back.meta).toEqual(m.meta);
    expect(back.qos).toBe(1);
  });
  fc.assert(law, fuzz(200));
});

const HOSTILE: readonly [name: string, octets: (n: number) => Uint8Array][] = [
  ['a line that never ends', () => Buffer.alloc(4_096, 'x')],
  ['headers that never end', () => Buffer.from('a:b\n'.repeat(1_000))],
  ['nothing but line feeds', () => Buffer.alloc(4_096, '\n')],
  ['an announced gigabyte', (n) => Buffer.from(n === 0 ? 'SEND\ncontent-length:999999999\n\n' : 'x')],
  ['a body that never ends', (n) => Buffer.from(n === 0 ? 'SEND\n\n' : 'x'.repeat(4_096))],
  ['escapes', () => Buffer.from(`SEND\n${'\\'.repeat(3_000)}:x\n\n\0`)],
  ['no UTF-8', () => Buffer.from([0x53, 0x45, 0x4e, 0x44, 0x0a, 0xff, 0x3a, 0x0a, 0x0a, 0])],
];

describe.each([true, false])('logged in: %s', (entered) => {
  test.each(HOSTILE)(
    '%s: the wire ends, or nothing is kept for it, and nobody else notices',
    async (name, octets) => {
      const broker: Broker = await startBroker({ protocols: [stomp()] });
      const other = await StompClient.connect(broker);
      const bad = entered ? await StompClient.connect(broker) : new StompClient(broker);
      for (let n = 0; n < 300 && !bad.raw.closed; n++) {
        bad.raw.send(octets(n));
        await broker.clock.advance(1);
      }
      const harmless = name === 'nothing but line feeds' || (entered && name === 'a body that never ends');
      expect(bad.raw.closed).toBe(!harmless);
      if (!harmless) expect(bad.taken().at(-1)!.command).toBe('ERROR');
      other.say('DISCONNECT', { receipt: 'fine' });
      expect((await other.heard()).map((f) => f.headers['receipt-id'])).toEqual(['fine']);
    },
  );
});
