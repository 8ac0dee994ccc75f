// CoAP over streams and WebSockets (RFC 8323): framing, settings, signals, BERT, and the laws of the framing.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { CoapTestClient as Client } from '../../../test/coap-client.ts';
import { type Broker, hex, startBroker, toHex } from '../../../test/network.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { encodeOptions, encodeUint } from './encode.ts';
import { decodeFrame, decodeMessage, encodeFrame, startsWithCsm } from './frame.ts';
import { type CoapMessage, OPTION } from './packet.ts';

const { block } = Client;

const FRAMES: readonly [name: string, octets: string, code: number, token: string, payload: string][] = [
  ['nothing', '00 e1', 0xe1, '', ''],
  ['a token', '01 e2 aa', 0xe2, 'aa', ''],
  ['12 octets', 'c0 45 ff 01 02 03 04 05 06 07 08 09 0a 0b', 0x45, '', '01 02 03 04 05 06 07 08 09 0a 0b'],
  ['13 octets', `d0 00 45 ff ${'aa '.repeat(12)}`, 0x45, '', 'aa '.repeat(12)],
  ['269 octets', `e0 00 00 45 ff ${'aa '.repeat(268)}`, 0x45, '', 'aa '.repeat(268)],
  ['65805 octets', `f0 00 00 00 00 45 ff ${'aa '.repeat(65_804)}`, 0x45, '', 'aa '.repeat(65_804)],
  ['an extended token', `0d 45 00 ${'bb '.repeat(13)}`, 0x45, 'bb '.repeat(13), ''],
];

describe('frames', () => {
  test.each(FRAMES)('%s', (_name, octets, code, token, payload) => {
    const bytes = hex(octets);
    const frame = decodeFrame(bytes, 0, bytes.length, 100_000)!;
    expect([frame.end, frame.message.code]).toEqual([bytes.length, code]);
    expect(toHex(frame.message.token)).toBe(token.trim());
    expect(toHex(frame.message.payload)).toBe(payload.trim());
    const again = encodeFrame(code, frame.message.token, encodeOptions([], 0, frame.message.payload), false);
    expect(again).toEqual(bytes);
  });

  test('[RFC8323-4.2] in a WebSocket message the length is 0', () => {
    expect(decodeMessage(hex('00 45 ff 61'), 0, 4).payload).toEqual(hex('61'));
    expect(() => decodeMessage(hex('20 45 ff 61'), 0, 4)).toThrow(ProtocolError);
    expect(() => decodeMessage(hex('00'), 0, 1)).toThrow(ProtocolError);
  });

  test('what is announced above the limit is refused before it comes', () => {
    expect(() => decodeFrame(hex('f0 ff ff ff ff 45'), 0, 6, 31_000)).toThrow(
      'a message above Max-Message-Size',
    );
  });

  test.each([
    ['00 e1', true],
    ['30 e1 22', true],
    ['d0 05 e1 23', true],
    ['10 e1 20', false], // perhaps an MQTT CONNECT
    ['10 e1 20 00 04', false],
    ['10 e1 20 40 01', true],
    ['10 e1 01 00 04 4d 51 54 54', false],
    ['10 0e 00 04', false],
    ['00 01', false],
    ['00', false],
  ])('starts with a CSM: %s is %s', (octets, expected) => {
    expect(startsWithCsm(hex(octets))).toBe(expected);
  });

  test('laws: decode is the inverse of encode, in any chunks; noise throws ProtocolError or waits', () => {
    const part = fc.record({
      code: fc.constantFrom(1, 2, 0x45, 0xe1),
      token: fc.uint8Array({ maxLength: 300 }),
      payload: fc.uint8Array({ maxLength: 700 }),
      path: fc.uint8Array({ maxLength: 20 }),
    });
    const run = fuzz(60);
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), fc.nat(), (parts, seed) => {
        const sent = Buffer.concat(
          parts.map((p) =>
            encodeFrame(p.code, p.token, encodeOptions([{ number: 11, value: p.path }], 0, p.payload), false),
          ),
        );
        const got: CoapMessage[] = [];
        let kept = new Uint8Array();
        for (let at = 0; at < sent.length; ) {
          const step = 1 + ((seed + at * 7_919) % 97);
          kept = new Uint8Array([...kept, ...sent.subarray(at, at + step)]);
          at += step;
          for (let frame = decodeFrame(kept, 0, kept.length, 2_000); frame !== undefined; ) {
            got.push(frame.message);
            kept = kept.slice(frame.end);
            frame = decodeFrame(kept, 0, kept.length, 2_000);
          }
        }
        expect(got.map((m) => [m.code, [...m.token], [...m.payload]])).toEqual(
          parts.map((p) => [p.code, [...p.token], [...p.payload]]),
        );
      }),
      run,
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (noise) => {
        try {
          decodeFrame(noise, 0, noise.length, 2_000);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      fuzz(400),
    );
  });
});

/** Settings with Block-Wise-Transfer and messages of up to 8192 octets. */
const CSM = '40 e1 22 20 00 20';

async function connected(csm = CSM): Promise<{ broker: Broker; c: Client }> {
  const broker = await startBroker();
  const c = new Client(broker, {}, '127.0.0.1:50001', 'coap+tcp');
  if (csm !== '') c.raw.send(csm);
  await broker.clock.run();
  expect(c.messages()[0]?.code).toBe(0xe1);
  return { broker, c };
}

describe('connections', () => {
  test('requests and answers as over datagrams', async () => {
    const { broker, c } = await connected();
    c.request('PUT /t/a?retain=1', { payload: '21.5', format: 0 });
    await broker.clock.run();
    c.request('GET /t/a');
    await broker.clock.run();
    expect(c.heard()).toEqual(['CON 2.04 k', 'CON 2.05 k ct=0 "21.5"']);
  });

  test('observations need no acknowledgements', async () => {
    const { broker, c } = await connected();
    c.request('GET /t/a', { observe: 0, token: 'w' });
    await broker.clock.run();
    for (const payload of ['1', '2', '3']) {
      c.request('PUT /t/a', { payload });
      await broker.clock.run();
    }
    const notified = c.heard().filter((m) => m.includes('w observe'));
    expect(notified).toEqual(['', ' "1"', ' "2"', ' "3"'].map((end) => `CON 2.05 w observe${end}`));
    c.request('GET /t/a', { observe: 1, token: 'w' });
    await broker.clock.run();
    expect(broker.hub.stats.subscriptions).toBe(0);
  });

  test('[RFC8323-5.4] ping, with custody when nothing waits', async () => {
    const { broker, c } = await connected();
    c.raw.send('01 e2 77');
    c.raw.send('11 e2 78 20');
    await broker.clock.run();
    expect(c.messages().map((m) => [m.code, toHex(m.token), m.options.map((o) => o.number)])).toEqual([
      [0xe3, '77', []],
      [0xe3, '78', [2]],
    ]);
  });

  test('[RFC8323-5.3] another first message: Abort and the end', async () => {
    const { broker, c } = await connected('');
    c.request('GET /t/a');
    await broker.clock.run();
    expect([c.messages().map((m) => m.code), c.raw.closed]).toEqual([[0xe5], true]);
  });

  test('[RFC8323-5.3] no settings in time: Abort and the end', async () => {
    const { broker, c } = await connected('');
    await broker.clock.advance(20_000);
    expect([c.messages().map((m) => m.code), c.raw.closed]).toEqual([[0xe5], true]);
  });

  test('[RFC8323-5.3] a critical option in the settings: Abort names it', async () => {
    const broker = await startBroker();
    const c = new Client(broker, {}, '127.0.0.1:50001', 'coap+tcp');
    c.raw.send('10 e1 30'); // option 3
    await broker.clock.run();
    expect(c.raw.closed).toBe(true);
    const [, abort] = c.messages();
    expect([abort?.code, abort?.options]).toEqual([0xe5, [{ number: 2, value: encodeUint(3) }]]);
  });

  test.each(['e2', 'e3', 'e4'])(
    '[RFC8323-5.2] a critical option in signal %s: Abort and the end',
    async (code) => {
      const { broker, c } = await connected();
      c.raw.send(`10 ${code} 30`); // option 3
      await broker.clock.run();
      expect([c.messages().map((m) => m.code), c.raw.closed]).toEqual([[0xe5], true]);
    },
  );

  test.each([
    [600, '30 e1 22 02 58', 512],
    [128, '20 e1 21 80', 64],
    [0, '10 e1 20', 16],
  ])('[RFC8323-5.3.1] who takes %d octets gets no more at a time', async (_most, csm, size) => {
    const { broker, c } = await connected(csm);
    c.request('PUT /t/a?retain=1', { payload: 'q'.repeat(900) });
    await broker.clock.run();
    c.messages();
    c.request('GET /t/a');
    c.request('GET /t/b?envelope=json', { observe: 0 });
    await broker.clock.run();
    c.request('PUT /t/b', { payload: 'q'.repeat(900) });
    await broker.clock.run();
    const payloads = c.messages().map((m) => m.payload.length);
    expect(payloads).toEqual([size, 0, size, 0]);
  });

  test.each([
    ['Release', '00 e4'],
    ['Abort', '00 e5'],
  ])('[RFC8323-5.5] their %s ends it', async (_name, octets) => {
    const { broker, c } = await connected();
    c.raw.send(octets);
    await broker.clock.run();
    expect([c.raw.closed, broker.hub.stats.clients]).toEqual([true, 0]);
  });

  test('[RFC8323-5.5] our end is a Release, and observers are told first', async () => {
    const { broker, c } = await connected();
    c.request('GET /t/a', { observe: 0 });
    await broker.clock.run();
    c.messages();
    await broker.stop();
    expect([c.messages().map((m) => m.code), c.raw.closed]).toEqual([[0xa3, 0xe4], true]);
  });

  test('[RFC8323-6] BERT: blocks of several kB, by the size that their settings allow', async () => {
    const { broker, c } = await connected();
    const text = 'q'.repeat(20_000);
    c.request('PUT /t/a?retain=1', {
      payload: text.slice(0, 4_096),
      extra: [block(OPTION.block1, 0, true, 7)],
    });
    c.request('PUT /t/a?retain=1', {
      payload: text.slice(4_096),
      extra: [block(OPTION.block1, 4, false, 7)],
    });
    await broker.clock.run();
    c.request('GET /t/a');
    await broker.clock.run();
    const [first, second, answer] = c.messages();
    expect([first!.code, second!.code]).toEqual([0x5f, 0x44]);
    expect(answer!.payload.length).toBe(7_168); // what fits 8192 beside the options
    c.request('GET /t/a', { extra: [block(OPTION.block2, 7, false, 7)] });
    await broker.clock.run();
    expect(c.messages()[0]!.payload.length).toBe(7_168);
  });

  test('without Block-Wise-Transfer in their settings a large answer still comes in blocks of 1024', async () => {
    const { broker, c } = await connected('00 e1');
    c.request('PUT /t/a?retain=1', { payload: 'q'.repeat(3_000) });
    await broker.clock.run();
    c.request('GET /t/a');
    await broker.clock.run();
    expect(c.messages()[1]!.payload.length).toBe(1_024);
  });
});

test('WebSocket messages: the same, each a message of its own', async () => {
  const broker = await startBroker();
  const c = broker.connect({ protocol: 'coap+ws' });
  c.send('00 e1');
  c.send(
    encodeFrame(
      3,
      hex('aa'),
      encodeOptions(
        [
          { number: 11, value: Buffer.from('t') },
          { number: 11, value: Buffer.from('a') },
        ],
        0,
        hex('31'),
      ),
      true,
    ),
  );
  await broker.clock.run();
  expect(
    c.takeEach().map((m) => toHex(decodeMessage(m, 0, m.length).token) + decodeMessage(m, 0, m.length).code),
  ).toEqual(['225', 'aa68']);
});
