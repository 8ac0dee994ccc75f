// Block-wise transfer over a whole hub: uploads, downloads, random access, and what breaks them.

import { describe, expect, test } from 'vitest';
import { CoapTestClient as Client, type RequestParts } from '../../../test/coap-client.ts';
import { type BrokerOptions, startBroker } from '../../../test/network.ts';
import { decodeUint } from './decode.ts';
import { encodeUint } from './encode.ts';
import { OPTION } from './packet.ts';
import { coap } from './protocol.ts';

const { block } = Client;
const start = (options: BrokerOptions = {}) => startBroker({ protocols: [coap()], ...options });
const text = (length: number): string =>
  Array.from({ length }, (_, i) => String.fromCharCode(97 + (i % 26))).join('');

type Step = readonly [request: string, parts: RequestParts, answer: string];

/** Each request in turn, and the one answer that it gets. */
async function play(steps: readonly Step[], options: BrokerOptions = {}): Promise<void> {
  const broker = await start(options);
  const c = new Client(broker);
  for (const [request, parts, answer] of steps) {
    c.request(request, parts);
    await broker.clock.run();
    expect([request, c.heard()]).toEqual([request, [answer]]);
  }
}

const put = (num: number, more: boolean, payload: string, szx = 0): RequestParts => ({
  payload,
  extra: [block(OPTION.block1, num, more, szx)],
});
const get = (num: number, szx: number): RequestParts => ({ extra: [block(OPTION.block2, num, false, szx)] });

describe('uploads', () => {
  test('[RFC7959-2.5] a body in blocks is published once it is whole', () =>
    play([
      ['PUT /t/a?retain=1', put(0, true, text(16)), 'ACK 2.31 k b1:0+/16'],
      ['GET /t/a', {}, 'ACK 4.04 k "no retained message"'],
      ['PUT /t/a?retain=1', put(1, true, text(16)), 'ACK 2.31 k b1:1+/16'],
      ['PUT /t/a?retain=1', put(2, false, 'end'), 'ACK 2.04 k b1:2/16'],
      ['GET /t/a', {}, `ACK 2.05 k "${text(16)}${text(16)}end"`],
    ]));

  test('the last block once more, because its answer was lost, changes nothing; another one in its place does', () =>
    play([
      ['PUT /t/a?retain=1', put(0, true, text(16)), 'ACK 2.31 k b1:0+/16'],
      ['PUT /t/a?retain=1', put(1, true, text(16)), 'ACK 2.31 k b1:1+/16'],
      ['PUT /t/a?retain=1', put(1, true, text(16)), 'ACK 2.31 k b1:1+/16'],
      ['PUT /t/a?retain=1', put(2, false, 'end'), 'ACK 2.04 k b1:2/16'],
      ['GET /t/a', {}, `ACK 2.05 k "${text(16)}${text(16)}end"`],
      ['PUT /t/a?retain=1', put(0, true, text(16)), 'ACK 2.31 k b1:0+/16'],
      ['PUT /t/a?retain=1', put(1, true, text(16)), 'ACK 2.31 k b1:1+/16'],
      [
        'PUT /t/a?retain=1',
        put(1, true, text(16).toUpperCase()),
        'ACK 4.08 k b1:1/16 "a block before this one is missing"',
      ],
    ]));

  test('[RFC7959-2.3] a last block that is larger than its size is none', () =>
    play([
      ['PUT /t/a', put(0, true, text(16)), 'ACK 2.31 k b1:0+/16'],
      ['PUT /t/a', put(1, false, text(17)), 'ACK 4.00 k b1:1/16 "a block that is not of its size"'],
    ]));

  test('[RFC7959-2.9.2] a missing block, and one of nothing: 4.08; the first block starts anew', () =>
    play([
      [
        'PUT /t/a?retain=1',
        put(1, true, text(16)),
        'ACK 4.08 k b1:1/16 "a block before this one is missing"',
      ],
      ['PUT /t/a?retain=1', put(0, true, text(16)), 'ACK 2.31 k b1:0+/16'],
      ['PUT /t/a?retain=1', put(2, false, 'x'), 'ACK 4.08 k b1:2/16 "a block before this one is missing"'],
      ['PUT /t/a?retain=1', put(1, false, 'x'), 'ACK 4.08 k b1:1/16 "a block before this one is missing"'],
      ['PUT /t/a?retain=1', put(0, true, text(16)), 'ACK 2.31 k b1:0+/16'],
      ['PUT /t/a?retain=1', put(0, true, text(16).toUpperCase()), 'ACK 2.31 k b1:0+/16'],
      ['PUT /t/a?retain=1', put(1, false, '!'), 'ACK 2.04 k b1:1/16'],
      ['GET /t/a', {}, `ACK 2.05 k "${text(16).toUpperCase()}!"`],
    ]));

  test('[RFC7959-2.3] a smaller block may follow from the same octet', () =>
    play([
      ['PUT /t/a?retain=1', put(0, true, text(32), 1), 'ACK 2.31 k b1:0+/32'],
      ['PUT /t/a?retain=1', put(2, false, 'z', 0), 'ACK 2.04 k b1:2/16'],
      ['GET /t/a', {}, `ACK 2.05 k "${text(32)}z"`],
    ]));

  test('a block that is not of its size, and size 7 over datagrams', () =>
    play([
      ['PUT /t/a', put(0, true, 'short'), 'ACK 4.00 k b1:0/16 "a block that is not of its size"'],
      ['PUT /t/a', put(0, true, text(32)), 'ACK 4.00 k b1:0/16 "a block that is not of its size"'],
      ['PUT /t/a', put(0, true, text(1_024), 7), 'ACK 4.00 k "block size 7"'],
    ]));

  test('[RFC7959-2.9.3] too large, by what is announced and by what comes: 4.13 tells the limit', async () => {
    const size1 = { number: OPTION.size1, value: encodeUint(10_000) };
    const protocols = [coap({ maxBodyBytes: 40 })];
    const announced = { payload: text(16), extra: [block(OPTION.block1, 0, true, 0), size1] };
    const refused = (num: number) => `ACK 4.13 k b1:${num}/16 size=40 "body too large"`;
    await play(
      [
        ['PUT /t/a', announced, refused(0)],
        ['PUT /t/a', put(0, true, text(16)), 'ACK 2.31 k b1:0+/16'],
        ['PUT /t/a', put(1, true, text(16)), 'ACK 2.31 k b1:1+/16'],
        ['PUT /t/a', put(2, false, text(16)), refused(2)],
      ],
      { protocols },
    );
  });

  test('[RFC9175-3.3] two uploads to one topic at a time are told apart by their Request-Tag', () => {
    const tagged = (tag: number, num: number, more: boolean, payload: string): RequestParts => ({
      payload,
      extra: [block(OPTION.block1, num, more, 0), { number: OPTION.requestTag, value: Uint8Array.of(tag) }],
    });
    return play([
      ['PUT /t/a?retain=1', tagged(1, 0, true, text(16)), 'ACK 2.31 k b1:0+/16'],
      ['PUT /t/a?retain=1', tagged(2, 0, true, text(16).toUpperCase()), 'ACK 2.31 k b1:0+/16'],
      ['PUT /t/a?retain=1', tagged(1, 1, false, 'one'), 'ACK 2.04 k b1:1/16'],
      ['GET /t/a', {}, `ACK 2.05 k "${text(16)}one"`],
      ['PUT /t/a?retain=1', tagged(2, 1, false, 'two'), 'ACK 2.04 k b1:1/16'],
      ['GET /t/a', {}, `ACK 2.05 k "${text(16).toUpperCase()}two"`],
    ]);
  });

  test('unfinished uploads are bounded: the oldest of an endpoint goes, and all share one budget', async () => {
    const broker = await start({ protocols: [coap({ uploadBytes: 80 })] });
    const c = new Client(broker);
    for (const topic of 'abcde') c.request(`PUT /t/${topic}`, put(0, true, text(16)));
    await broker.clock.run();
    expect(c.heard()).toEqual(new Array(5).fill('ACK 2.31 k b1:0+/16'));
    c.request('PUT /t/a', put(1, false, 'x'));
    c.request('PUT /t/e', put(1, false, 'x'));
    await broker.clock.run();
    expect(c.heard()).toEqual([
      'ACK 4.08 k b1:1/16 "a block before this one is missing"',
      'ACK 2.04 k b1:1/16',
    ]);
    const other = new Client(broker);
    other.request('PUT /t/x', put(0, true, text(32), 1));
    other.request('PUT /t/y', put(0, true, text(16)));
    await broker.clock.run();
    expect(other.heard()).toEqual(['ACK 2.31 k b1:0+/32', 'ACK 5.03 k b1:0/16 "too many uploads at a time"']);
    await broker.clock.advance(600_000); // they are forgotten with their endpoints
    const late = new Client(broker);
    late.request('PUT /t/y', put(0, true, text(64), 2));
    await broker.clock.run();
    expect(late.heard()).toEqual(['ACK 2.31 k b1:0+/64']);
  });
});

describe('downloads', () => {
  const large: Step = ['PUT /t/a?retain=1', { payload: text(2_500) }, 'ACK 2.04 k'];

  test('[RFC7959-2.4] a large value comes in blocks, with its size and one ETag', async () => {
    const broker = await start();
    const c = new Client(broker);
    c.request(large[0], large[1]);
    await broker.clock.run();
    c.messages();
    let body = '';
    const tags = new Set<string>();
    for (let num = 0; num < 3; num++) {
      c.request('GET /t/a', num === 0 ? {} : get(num, 6));
      await broker.clock.run();
      const [m] = c.messages();
      body += Buffer.from(m!.payload).toString();
      tags.add(Buffer.from(m!.options.find((o) => o.number === OPTION.eTag)!.value).toString('hex'));
      const value = decodeUint(m!.options.find((o) => o.number === OPTION.block2)!.value);
      expect(value).toBe(num * 16 + (num < 2 ? 8 : 0) + 6);
    }
    expect([body, tags.size]).toEqual([text(2_500), 1]);
  });

  test('early negotiation, random access, a block beyond the end', () =>
    play([
      ['PUT /t/a?retain=1', { payload: text(40) }, 'ACK 2.04 k'],
      ['GET /t/a', get(0, 0), `ACK 2.05 k b2:0+/16 size=40 "${text(16)}"`],
      ['GET /t/a', get(2, 0), `ACK 2.05 k b2:2/16 "${text(40).slice(32)}"`],
      ['GET /t/a', get(1, 1), `ACK 2.05 k b2:1/32 "${text(40).slice(32)}"`],
      ['GET /t/a', get(9, 0), 'ACK 4.00 k "a block beyond the end"'],
      ['GET /t/a', get(0, 6), `ACK 2.05 k b2:0/1024 "${text(40)}"`],
    ]));

  test('all blocks are of the value that the first was of', () =>
    play([
      ['PUT /t/a?retain=1', { payload: text(40) }, 'ACK 2.04 k'],
      ['GET /t/a', get(0, 1), `ACK 2.05 k b2:0+/32 size=40 "${text(32)}"`],
      ['PUT /t/a?retain=1', { payload: 'new' }, 'ACK 2.04 k'],
      ['GET /t/a', get(1, 1), `ACK 2.05 k b2:1/32 "${text(40).slice(32)}"`],
      ['GET /t/a', get(0, 1), 'ACK 2.05 k b2:0/32 "new"'],
    ]));

  test('[RFC7959-2.6] a large notification carries its first block; the others are fetched, of that very value', async () => {
    const broker = await start();
    const watcher = new Client(broker);
    watcher.request('GET /t/a?qos=0', { observe: 0, token: 'w' });
    const c = new Client(broker);
    await broker.clock.run();
    c.request('PUT /t/a', { payload: text(1_500) });
    await broker.clock.run();
    expect(watcher.heard()).toEqual([
      'ACK 2.05 w observe',
      `NON 2.05 w observe b2:0+/1024 size=1500 "${text(1_024)}"`,
    ]);
    watcher.request('GET /t/a?qos=0', get(1, 6));
    await broker.clock.run();
    expect(watcher.heard()).toEqual([`ACK 2.05 k b2:1/1024 "${text(1_500).slice(1_024)}"`]);
  });
});
