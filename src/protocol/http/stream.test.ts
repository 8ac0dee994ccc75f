// HTTP over a stream, both sides, in memory: framing, the connection's life, and a speaker against the hub.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { type Broker, type BrokerOptions, OPEN, type RawClient, startBroker } from '../../../test/network.ts';
import { speakerOptions } from '../../../test/speaker-options.ts';
import { jsonWords } from '../../admin/json.ts';
import { HTTP } from '../../client/http.ts';
import { Message, NEVER, type Qos } from '../../contract/message.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import type { Delivery, Refusal, Speaker, SpeakerOptions } from '../../contract/speaker.ts';
import { encodeChunk, HttpReader } from './framing.ts';
import { httpStream } from './stream-peer.ts';

const start = (options: BrokerOptions = {}): Promise<Broker> =>
  startBroker({ protocols: [httpStream(jsonWords)], ...options });

const octets = (text: string): Uint8Array => new TextEncoder().encode(text);

interface Whole {
  readonly line: string;
  readonly body: string;
}

/** Reads whole messages; what is thrown ends the list with its status. */
function read(text: string, side: 'server' | 'client', cuts: readonly number[] = []): (Whole | number)[] {
  const found: (Whole | number)[] = [];
  let line = '';
  let body = '';
  const reader = new HttpReader(
    { side, maxBodyBytes: 100 },
    {
      more: true,
      head(first) {
        line = first;
        return true;
      },
      body(bytes, from, to) {
        body += Buffer.from(bytes.subarray(from, to)).toString('latin1');
      },
      end() {
        found.push({ line, body });
        body = '';
      },
    },
  );
  const all = Buffer.from(text, 'latin1');
  let kept = 0;
  try {
    for (const cut of [...cuts, all.length]) {
      if (cut <= kept || cut > all.length) continue;
      kept = reader.receive(all, kept, cut);
    }
    reader.close();
  } catch (why) {
    if (!(why instanceof ProtocolError)) throw why;
    found.push(why.code);
  }
  return found;
}

const TAKEN: readonly [text: string, whole: Whole[]][] = [
  ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', [{ line: 'GET / HTTP/1.1', body: '' }]],
  [
    '\r\nA\r\nContent-Length:0\r\n\r\nB\r\n\r\n',
    [
      { line: 'A', body: '' },
      { line: 'B', body: '' },
    ],
  ],
  [
    'A\r\nContent-Length: 3 \r\n\r\nabcB\r\n\r\n',
    [
      { line: 'A', body: 'abc' },
      { line: 'B', body: '' },
    ],
  ],
  [
    'A\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nA;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\nB\r\n\r\n',
    [
      { line: 'A', body: 'ab0123456789' },
      { line: 'B', body: '' },
    ],
  ],
];

test.each(TAKEN)('taken: %j', (text, whole) => {
  expect(read(text, 'server')).toEqual(whole);
});

test('[law] any chunking gives the same messages', () => {
  const cuts = fc.array(fc.nat(120)).map((list) => list.toSorted((a, b) => a - b));
  fc.assert(
    fc.property(fc.constantFrom(...TAKEN), cuts, ([text, whole], at) => {
      expect(read(text, 'server', at)).toEqual(whole);
    }),
    fuzz(300),
  );
});

const REFUSED: readonly [why: string, text: string, status: number][] = [
  ['[RFC9112-2.2] a line feed alone', 'A\nHost: a\n\n', 400],
  ['[RFC9112-2.2] a CR alone', 'A\rB\r\n\r\n', 400],
  ['NUL', 'A\0\r\n\r\n', 400],
  ['[RFC9112-5.1] a blank in front of the colon', 'A\r\nHost : a\r\n\r\n', 400],
  ['[RFC9112-5.2] a folded line', 'A\r\nX: a\r\n b\r\n\r\n', 400],
  ['[RFC9112-6.3] two lengths', 'A\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
  ['[RFC9112-6.3] both framings', 'A\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
  ['[RFC9112-6.1] another coding', 'A\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 501],
  ['a negative length', 'A\r\nContent-Length: -1\r\n\r\n', 400],
  ['a body over the limit, by its length', 'A\r\nContent-Length: 101\r\n\r\n', 413],
  ['a body over the limit, by its chunks', 'A\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n', 413],
  ['a chunk longer than it says', 'A\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n', 400],
  ['a chunk size that is none', 'A\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n', 400],
  ['a head without end', `A\r\n${'X: y\r\n'.repeat(3_000)}`, 431],
  ['too many fields', `A\r\n${'X: y\r\n'.repeat(101)}\r\n`, 431],
];

test.each(REFUSED)('refused: %s', (_why, text, status) => {
  expect(read(text, 'server').at(-1)).toBe(status);
});

test('[law] noise gives messages or ProtocolError', () => {
  fc.assert(
    fc.property(fc.constantFrom(...TAKEN), fc.nat(120), fc.nat(255), ([text], at, octet) => {
      const i = at % text.length;
      read(text.slice(0, i) + String.fromCharCode(octet) + text.slice(i + 1), 'server');
    }),
    fuzz(500),
  );
});

test('[RFC9112-6.3] an answer without a length ends with the connection; a chunk there and back', () => {
  expect(read('HTTP/1.1 200 OK\r\n\r\nabc', 'client')).toEqual([{ line: 'HTTP/1.1 200 OK', body: 'abc' }]);
  expect(Buffer.from(encodeChunk(octets('0123456789abcdef'))).toString()).toBe('10\r\n0123456789abcdef\r\n');
});

describe('a connection', () => {
  const said = (c: RawClient) => Buffer.from(c.take()).toString();

  test('requests in a row, pipelined, and the octets of an answer', async () => {
    const broker = await start({ startAt: Date.UTC(2026, 0, 1) });
    const c = broker.connect({ protocol: 'http' });
    c.send(octets('POST /topics/a?retain=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n21'));
    c.send(octets('GET /topics/a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /topics/a HTTP/1.1\r\nHost: h\r\n\r\n'));
    await broker.clock.advance(0);
    const [first, second, third] = said(c).split(/(?=HTTP\/1\.1 )/);
    expect(first).toBe(
      'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 36\r\n' +
        'X-Content-Type-Options: nosniff\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: keep-alive\r\n' +
        'Keep-Alive: timeout=5\r\n\r\n{"topic":"a","outcome":"unmatched"}\n',
    );
    expect(second).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\n21$/);
    expect(third).toMatch(/Content-Length: 2\r\n[\s\S]*\r\n\r\n$/);
    expect(c.closed).toBe(false);
  });

  test('Connection: close, and HTTP/1.0', async () => {
    const broker = await start();
    for (const head of ['1.1\r\nHost: h\r\nConnection: close', '1.0']) {
      const c = broker.connect({ protocol: 'http' });
      c.send(octets(`GET /topics/a HTTP/${head}\r\n\r\n`));
      await broker.clock.run();
      expect(said(c)).toMatch(/^HTTP\/1\.1 404 Not Found\r\n[\s\S]*Connection: close\r\n/);
      expect(c.closed).toBe(true);
    }
  });

  test('nonsense gets its status, then the end', async () => {
    const broker = await start();
    for (const [text, status] of [
      ['GET /\r\n\r\n', 400],
      ['GET / HTTP/1.1\r\n\r\n', 400],
      ['POST /topics/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000000\r\n\r\n', 413],
    ] as const) {
      const c = broker.connect({ protocol: 'http' });
      c.send(octets(text));
      await broker.clock.run();
      expect(said(c)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [\\s\\S]*"code":"request-invalid"`));
      expect(c.closed).toBe(true);
    }
  });

  test('a login by its first request; wrong ones are challenged; who asks nothing is sent away', async () => {
    const broker = await start({
      auth: {
        ...OPEN,
        identify: (login) =>
          login.username === 'u' ? OPEN.identify(login) : Promise.resolve('bad-credentials' as const),
      },
    });
    const c = broker.connect({ protocol: 'http' });
    const mute = broker.connect({ protocol: 'http' });
    const ask = (authorization: string) =>
      c.send(octets(`POST /topics/a HTTP/1.1\r\nHost: h\r\nAuthorization: ${authorization}\r\n\r\n`));
    const statuses: string[] = [];
    for (const authorization of [`Basic ${btoa('u:p')}`, `Basic ${btoa('x:p')}`, 'Bearer x']) {
      ask(authorization);
      await broker.clock.advance(1);
      statuses.push(said(c).slice(9, 12));
    }
    expect(statuses).toEqual(['200', '401', '401']);
    await broker.clock.advance(10_000);
    expect([mute.closed, broker.hub.stats.clients]).toEqual([true, 0]);
  });

  test('events: an idle stream says that it is still here; a client that does not read holds its own up', async () => {
    const broker = await start();
    const c = broker.connect({ protocol: 'http' });
    c.send(octets('GET /subscribe?filter=a HTTP/1.1\r\nHost: h\r\n\r\n'));
    await broker.clock.advance(16_000);
    expect(said(c)).toMatch(/Transfer-Encoding: chunked\r\n\r\n[\s\S]*event: open[\s\S]*: still here/);
    c.stall(true);
    const publisher = broker.connect({ protocol: 'http' });
    const body = 'x'.repeat(50_000);
    for (let i = 0; i < 20; i++)
      publisher.send(octets(`POST /topics/a HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n${body}`));
    await broker.clock.advance(1_000);
    expect(said(publisher).match(/"outcome":"ok"/g)).toHaveLength(20);
    expect(broker.hub.stats.queuedMessages).toBeGreaterThan(5);
    c.stall(false);
    await broker.clock.advance(1_000);
    expect(said(c).match(/data: \{"topic"/g)).toHaveLength(20);
    c.cut();
    await broker.clock.advance(400_000);
    expect(broker.hub.stats.sessions).toBe(0);
  });
});

test('events: a client that reads nothing for a minute is sent away, and what waited for it is bounded', async () => {
  const broker = await start({ limits: { queueMessages: 10 } });
  const c = broker.connect({ protocol: 'http' });
  c.send(octets('GET /subscribe?filter=a&qos=0 HTTP/1.1\r\nHost: h\r\n\r\n'));
  await broker.clock.advance(10);
  c.stall(true);
  const publisher = broker.connect({ protocol: 'http' });
  for (let i = 0; i < 40; i++)
    publisher.send(
      octets(`POST /topics/a HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n${'x'.repeat(50_000)}`),
    );
  await broker.clock.advance(1_000);
  expect(broker.hub.stats.queuedMessages).toBe(10);
  expect(broker.hub.counters.dropped.get('queue-full')).toBeGreaterThan(0);
  await broker.clock.advance(70_000);
  expect([c.closed, broker.hub.counters.dropped.get('slow-consumer')]).toEqual([true, 1]);
  expect(broker.hub.stats).toMatchObject({ queuedMessages: 0, sessions: 0 });
});

interface Spoken {
  readonly speaker: Speaker;
  readonly delivered: Delivery[];
  readonly ended: (Refusal | undefined)[];
  /** Wires that were opened. */
  readonly wires: RawClient[];
}

function speak(broker: Broker, options: Partial<SpeakerOptions> & { alone?: boolean } = {}): Spoken {
  const wires = [broker.connect({ protocol: 'http' })];
  const delivered: Delivery[] = [];
  const ended: (Refusal | undefined)[] = [];
  const speaker = HTTP.open(
    wires[0]!.wire,
    speakerOptions(broker.clock, {
      port: 8080,
      clientId: 'c',
      ...(options.alone === true
        ? {}
        : {
            another: (open) => {
              const raw = broker.connect({ protocol: 'http' });
              wires.push(raw);
              raw.wire.peer = open(raw.wire);
            },
          }),
      ...options,
    }),
    { opened: () => {}, delivered: (d) => delivered.push(d), ended: (why) => ended.push(why) },
  );
  wires[0]!.wire.peer = speaker;
  return { speaker, delivered, ended, wires };
}

function message(topic: string, payload: string, qos: Qos = 1): Message {
  const origin = { protocol: 'test', client: '', principal: '' };
  return new Message(topic, octets(payload), qos, false, origin, 0, NEVER, { text: true });
}

const textOf = (d: Delivery) => Buffer.from(d.message.payload).toString();

describe('a speaker', () => {
  test('publishes on one wire, and has one more for each subscription', async () => {
    const broker = await start();
    const c = speak(broker);
    const answers: unknown[] = [];
    for (const filter of ['a/+', 'b c/é']) c.speaker.subscribe(filter, 2, (granted) => answers.push(granted));
    await broker.clock.advance(10);
    for (const topic of ['a/1', 'b c/é', 'z'])
      c.speaker.publish(message(topic, topic), (why) => answers.push(why ?? topic));
    expect(c.speaker.room).toBe(0);
    await broker.clock.advance(10);
    expect(answers).toEqual([1, 1, 'a/1', 'b c/é', 'z']);
    expect(c.delivered.map((d) => [d.message.topic, textOf(d), d.filters])).toEqual([
      ['a/1', 'a/1', ['a/+']],
      ['b c/é', 'b c/é', ['b c/é']],
    ]);
    expect([c.wires.length, c.speaker.room]).toEqual([3, 1]);
    c.speaker.unsubscribe('a/+', (why) => answers.push(why));
    c.speaker.unsubscribe('a/+', (why) => answers.push(why?.outcome));
    await broker.clock.advance(10);
    expect(answers.slice(-2)).toEqual([undefined, 'no-subscription']);
    expect([c.wires[1]!.closed, c.ended]).toEqual([true, []]);
    c.speaker.close();
    await broker.clock.advance(10);
    expect([c.ended, c.wires.every((w) => w.closed)]).toEqual([[undefined], true]);
  });

  test('properties, retained and expiry cross', async () => {
    const broker = await start();
    const c = speak(broker);
    const meta = {
      contentType: 'application/json',
      responseTopic: 'r/é',
      correlation: Uint8Array.of(0, 255),
      user: [
        { name: 'a', value: 'x, y=z' },
        { name: 'a', value: Uint8Array.of(1) },
      ],
    };
    const expiresAt = broker.clock.now + 10_000;
    const body = Uint8Array.of(0xff, 0);
    c.speaker.publish(new Message('a', body, 1, true, message('a', '').origin, 0, expiresAt, meta), () => {});
    await broker.clock.advance(0);
    c.speaker.subscribe('a', 1, () => {});
    await broker.clock.advance(0);
    const [d] = c.delivered;
    expect([d!.retained, d!.message.payload, d!.message.expiresAt]).toEqual([true, body, expiresAt]);
    expect(d!.message.meta).toEqual(meta);
  });

  test('with one wire alone: requests, or the events of one subscription', async () => {
    const broker = await start();
    const publisher = speak(broker, { alone: true });
    const subscriber = speak(broker, { alone: true });
    const answers: unknown[] = [];
    subscriber.speaker.subscribe('a', 1, (granted) => answers.push(granted));
    await broker.clock.advance(0);
    publisher.speaker.publish(message('a', 'x'), (why) => answers.push(why));
    publisher.speaker.subscribe('a', 1, (why) => answers.push(why));
    subscriber.speaker.publish(message('a', 'y'), (why) => answers.push(why));
    await broker.clock.advance(0);
    const taken = expect.objectContaining({ outcome: 'not-supported' });
    expect(answers).toHaveLength(4);
    expect(answers).toEqual(expect.arrayContaining([1, undefined, taken]));
    expect(subscriber.delivered.map(textOf)).toEqual(['x']);
  });

  test('connection=close: a wire for each request; pipeline: several on one', async () => {
    const broker = await start();
    const closing = speak(broker, { settings: { connection: 'close' } });
    const hasty = speak(broker, { settings: { pipeline: '8' } });
    await broker.clock.advance(0);
    expect(hasty.speaker.room).toBe(8);
    let done = 0;
    for (const { speaker } of [closing, hasty])
      for (let i = 0; i < 4; i++)
        speaker.publish(message('a', 'x'), (why) => (why === undefined ? done++ : 0));
    await broker.clock.advance(10);
    expect([done, closing.wires.length, hasty.wires.length]).toEqual([8, 4, 1]);
    closing.speaker.close();
    expect(closing.ended).toEqual([undefined]);
  });

  test('a server that closes an idle connection ends nothing', async () => {
    const broker = await start();
    const c = speak(broker);
    c.speaker.subscribe('a', 1, () => {});
    await broker.clock.advance(10_100); // nothing was asked on the first wire
    expect([c.wires[0]!.closed, c.ended]).toEqual([true, []]);
    c.speaker.publish(message('a', 'x'), () => {});
    await broker.clock.advance(10);
    expect(c.delivered.map(textOf)).toEqual(['x']);
    c.speaker.close();
    expect(c.ended).toEqual([undefined]);
  });

  test('refusals in our words, with the status', async () => {
    const broker = await start({ auth: { ...OPEN, allows: () => false, identify: async () => RULED } });
    const c = speak(broker);
    const answers: unknown[] = [];
    c.speaker.publish(message('a', 'x'), (why) => answers.push(why));
    c.speaker.subscribe('a', 1, (why) => answers.push(why));
    await broker.clock.advance(10);
    const refused = { outcome: 'not-authorized', reason: 'not allowed by the rules of this hub', code: 403 };
    expect(answers).toEqual([refused, refused]);
    expect(c.ended).toEqual([]);
  });

  test('a wire is lost: every call is answered first, then it ends once', async () => {
    const broker = await start({ link: { delayMs: 20 } });
    const c = speak(broker);
    const told: string[] = [];
    c.speaker.subscribe('a', 1, () => {});
    await broker.clock.advance(100);
    c.speaker.publish(message('a', 'x'), (why) => told.push(`publish ${why?.outcome}`));
    c.speaker.publish(message('a', 'y'), (why) => told.push(`waiting ${why?.outcome}`));
    c.wires[1]!.cut();
    await broker.clock.advance(100);
    expect(told).toEqual(['publish unavailable', 'waiting unavailable']);
    expect(c.ended).toMatchObject([{ outcome: 'unavailable' }]);
    expect(c.wires.every((w) => w.closed)).toBe(true);
  });
});

const RULED = { principal: 'u', unrestricted: false, validUntil: NEVER };
