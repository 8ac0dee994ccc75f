// The CoAP tower over a whole hub: requests, reliability, observations and refusals, clause by clause.

import { describe, expect, test } from 'vitest';
import { type Broker, type BrokerOptions, OPEN, type RawClient, startBroker } from '../../../test/network.ts';
import type { Auth } from '../../contract/auth.ts';
import { decodeCoap, decodeUint } from './decode.ts';
import { encodeCoap } from './encode.ts';
import { CODE, type CoapMessage, type CoapOption, type CoapType, codeText, OPTION } from './packet.ts';
import { coap } from './protocol.ts';

const utf8 = new TextEncoder();
const METHODS = { GET: CODE.get, POST: CODE.post, PUT: CODE.put, DELETE: CODE.delete, FETCH: 5 };

interface RequestParts {
  readonly type?: CoapType;
  readonly id?: number;
  readonly token?: string;
  readonly payload?: string | Uint8Array;
  readonly observe?: number;
  readonly format?: number;
  readonly extra?: readonly CoapOption[];
}

/** A client in words: `request('PUT /t/a?retain=true', { payload: '1' })`. */
class Client {
  readonly raw: RawClient;
  private nextId = 0x100;

  /** From an address that nobody can forge, unless another is given. */
  constructor(broker: Broker, link = {}, remote = '127.0.0.1:50001') {
    this.raw = broker.connect({ protocol: 'coap', link, remote });
  }

  request(line: string, parts: RequestParts = {}): void {
    const [method, url] = line.split(' ') as [keyof typeof METHODS, string];
    const [path, query] = url.split('?') as [string, string | undefined];
    const options: CoapOption[] = [];
    for (const level of path.split('/').slice(1))
      options.push({ number: OPTION.uriPath, value: utf8.encode(level) });
    for (const term of query?.split('&') ?? [])
      options.push({ number: OPTION.uriQuery, value: utf8.encode(term) });
    options.push(...(parts.extra ?? []));
    if (parts.observe !== undefined) {
      options.push({ number: OPTION.observe, value: Uint8Array.of(parts.observe).filter((n) => n !== 0) });
    }
    if (parts.format !== undefined) {
      options.push({
        number: OPTION.contentFormat,
        value: Uint8Array.of(parts.format).filter((n) => n !== 0),
      });
    }
    const { payload = '' } = parts;
    this.raw.send(
      encodeCoap({
        type: parts.type ?? 0,
        code: METHODS[method],
        id: parts.id ?? this.nextId++,
        token: utf8.encode(parts.token ?? 'k'),
        options: options.toSorted((a, b) => a.number - b.number),
        payload: typeof payload === 'string' ? utf8.encode(payload) : payload,
      }),
    );
  }

  send(type: CoapType, id: number): void {
    this.raw.send(
      encodeCoap({ type, code: 0, id, token: new Uint8Array(), options: [], payload: new Uint8Array() }),
    );
  }

  messages(): CoapMessage[] {
    return this.raw.takeEach().map((datagram) => decodeCoap(datagram, 0, datagram.length) as CoapMessage);
  }

  /** `ACK 2.05 k observe ct=50 "text"`, what arrived since the last call; ETags are left out. */
  heard(): string[] {
    return this.messages().map((m) => {
      const words: string[] = [['CON', 'NON', 'ACK', 'RST'][m.type]!, codeText(m.code)];
      if (m.token.length > 0) words.push(Buffer.from(m.token).toString());
      for (const o of m.options) {
        if (o.number === OPTION.eTag) continue;
        if (o.number === OPTION.observe) words.push('observe');
        else if (o.number === OPTION.locationPath) words.push(`/${Buffer.from(o.value)}`);
        else if (o.number === OPTION.contentFormat) words.push(`ct=${decodeUint(o.value)}`);
        else if (o.number === OPTION.maxAge) words.push(`age=${decodeUint(o.value)}`);
        else words.push(`option ${o.number}`);
      }
      if (m.payload.length > 0) words.push(JSON.stringify(Buffer.from(m.payload).toString()));
      return words.join(' ');
    });
  }
}

function start(options: BrokerOptions = {}): Promise<Broker> {
  return startBroker({ protocols: [coap()], ...options });
}

describe('requests', () => {
  test('PUT publishes, GET reads the retained value, DELETE clears it', async () => {
    const broker = await start();
    const c = new Client(broker);
    const steps: readonly [request: string, parts: RequestParts, answer: string][] = [
      ['GET /t/a/b', {}, 'ACK 4.04 k "no retained message"'],
      ['PUT /t/a/b', { payload: 'passing' }, 'ACK 2.04 k'],
      ['GET /t/a/b', {}, 'ACK 4.04 k "no retained message"'],
      ['PUT /t/a/b?retain=true', { payload: '21.5', format: 0 }, 'ACK 2.04 k'],
      ['GET /t/a/b', {}, 'ACK 2.05 k ct=0 "21.5"'],
      ['POST /t/a/b?retain=1', { payload: '{}', format: 50 }, 'ACK 2.04 k'],
      ['GET /t/a/b', { type: 1 }, 'NON 2.05 k ct=50 "{}"'],
      ['DELETE /t/a/b', {}, 'ACK 4.04 never'],
      ['GET /t/a/b', {}, 'ACK 4.04 k "no retained message"'],
    ];
    for (const [request, parts, answer] of steps) {
      c.request(request, parts);
      await broker.clock.run();
      expect([request, c.heard()]).toEqual([request, [answer.replace('4.04 never', '2.02 k')]]);
    }
  });

  const REFUSED: readonly [name: string, request: string, parts: RequestParts, answer: string | undefined][] =
    [
      [
        'no such resource',
        'GET /x/a',
        {},
        'ACK 4.04 k "topics are under /t/; /.well-known/core has the rest"',
      ],
      ['no topic', 'GET /t', {}, 'ACK 4.04 k "topics are under /t/"'],
      ['[RFC7252-5.8] unknown method', 'FETCH /t/a', {}, 'ACK 4.05 k "GET, PUT, POST or DELETE"'],
      [
        '[RFC7252-5.4.1] unknown critical option',
        'GET /t/a',
        { extra: [{ number: 65001, value: utf8.encode('x') }] },
        'ACK 4.02 k "option 65001"',
      ],
      [
        '[RFC7252-5.4.1] the same, non-confirmable',
        'GET /t/a',
        { type: 1, extra: [{ number: 65001, value: utf8.encode('x') }] },
        undefined,
      ],
      [
        '[RFC7252-5.4.1] unknown elective option',
        'PUT /t/a',
        { extra: [{ number: 65000, value: utf8.encode('x') }] },
        'ACK 2.04 k',
      ],
      [
        '[RFC7252-5.4.3] a length out of range',
        'GET /t/a',
        { extra: [{ number: OPTION.uriHost, value: new Uint8Array() }] },
        'ACK 4.02 k "option 3"',
      ],
      [
        '[RFC7252-5.4.5] repeated, not repeatable',
        'GET /t/a',
        {
          extra: [
            { number: OPTION.uriPort, value: new Uint8Array(2) },
            { number: OPTION.uriPort, value: new Uint8Array(2) },
          ],
        },
        'ACK 4.02 k "option 7"',
      ],
      [
        '[RFC7252-5.10.2] proxying',
        'GET /t/a',
        { extra: [{ number: OPTION.proxyScheme, value: utf8.encode('coap') }] },
        'ACK 5.05 k "no proxy"',
      ],
      ['a wildcard to publish to', 'PUT /t/a/+', {}, 'ACK 4.00 k "topic-invalid"'],
      ['qos 3', 'PUT /t/a?qos=3', {}, 'ACK 4.00 k "qos is 0, 1 or 2"'],
      [
        'a level that is not UTF-8',
        'GET /t/a',
        { extra: [{ number: OPTION.uriPath, value: Uint8Array.of(0xff) }] },
        'ACK 4.02 k "option 11 is not UTF-8"',
      ],
      [
        'a slash in a level',
        'GET /t',
        { extra: [{ number: OPTION.uriPath, value: utf8.encode('a/b') }] },
        'ACK 4.00 k "slash inside a path segment"',
      ],
    ];
  test.each(REFUSED)('%s', async (_name, request, parts, answer) => {
    const broker = await start();
    const c = new Client(broker);
    c.request(request, parts);
    await broker.clock.run();
    expect(c.heard()).toEqual(answer === undefined ? [] : [answer]);
  });

  test('a filter that is none is refused', async () => {
    const broker = await start();
    const c = new Client(broker);
    c.request('GET /t/a#/b', { observe: 0 });
    await broker.clock.run();
    expect(c.heard()).toEqual(['ACK 4.00 k "filter-invalid"']);
  });

  test('[RFC7252-5.10.4] Accept: another format is 4.06', async () => {
    const broker = await start();
    const c = new Client(broker);
    c.request('PUT /t/a?retain=true', { payload: '{}', format: 50 });
    await broker.clock.run();
    c.request('GET /t/a', { extra: [{ number: OPTION.accept, value: Uint8Array.of(60) }] });
    c.request('GET /t/a', { extra: [{ number: OPTION.accept, value: Uint8Array.of(50) }] });
    await broker.clock.run();
    expect(c.heard()).toEqual(['ACK 2.04 k', 'ACK 4.06 k "another Content-Format"', 'ACK 2.05 k ct=50 "{}"']);
  });

  test('a format without a media type crosses by its number', async () => {
    const broker = await start();
    const c = new Client(broker);
    c.request('PUT /t/a?retain=true', { payload: 'x', format: 250 });
    await broker.clock.run();
    c.request('GET /t/a');
    await broker.clock.run();
    expect(c.heard()).toEqual(['ACK 2.04 k', 'ACK 2.05 k ct=250 "x"']);
  });
});

describe('reliability', () => {
  test('[RFC7252-4.2] a malformed confirmable message is reset, another ignored; a ping is reset', async () => {
    const broker = await start();
    const c = new Client(broker);
    c.raw.send('40 01 00 07 ff');
    c.raw.send('50 01 00 08 ff');
    c.raw.send('40 00 00 09');
    c.raw.send('00');
    await broker.clock.run();
    expect(c.messages().map((m) => [m.type, m.code, m.id])).toEqual([
      [3, 0, 7],
      [3, 0, 9],
    ]);
  });

  test('[RFC7252-4.5] a duplicate is answered again and done once', async () => {
    const broker = await start();
    const watcher = new Client(broker);
    watcher.request('GET /t/a?qos=0', { observe: 0 });
    const c = new Client(broker);
    await broker.clock.run();
    watcher.heard();
    for (let i = 0; i < 3; i++) {
      c.request('PUT /t/a', { id: 7, payload: 'once' });
      await broker.clock.run();
    }
    expect(c.heard()).toEqual(['ACK 2.04 k', 'ACK 2.04 k', 'ACK 2.04 k']);
    expect(watcher.heard()).toEqual(['NON 2.05 k observe "once"']);
    await broker.clock.advance(300_000); // the id means something new now
    c.request('PUT /t/a', { id: 7, payload: 'twice' });
    await broker.clock.run();
    expect(watcher.heard().at(-1)).toBe('NON 2.05 k observe "twice"');
  });

  test('2.04 leaves after the commit that keeps the message; a slow one is promised by an empty acknowledgement', async () => {
    const broker = await start({ commitMs: 1_500 });
    const c = new Client(broker);
    c.request('PUT /t/a?retain=true', { payload: 'kept' });
    await broker.clock.advance(900);
    expect(c.heard()).toEqual([]);
    await broker.clock.advance(400);
    expect(c.heard()).toEqual(['ACK 0.00']);
    await broker.clock.advance(400);
    const [answer] = c.messages();
    expect([answer!.type, answer!.code]).toEqual([0, CODE.changed]);
    c.send(2, answer!.id);
    await broker.clock.advance(60_000);
    expect(c.heard()).toEqual([]);
    await broker.crash();
    const later = new Client(broker);
    later.request('GET /t/a');
    await broker.clock.run();
    expect(later.heard()).toEqual(['ACK 2.05 k "kept"']);
  });
});

describe('observations', () => {
  test('[RFC7641-3.1] the answer carries the value, notifications follow; non-confirmable as the request was', async () => {
    const broker = await start();
    const watcher = new Client(broker);
    const c = new Client(broker);
    c.request('PUT /t/a?retain=true', { payload: '1', format: 50 });
    await broker.clock.run();
    watcher.request('GET /t/a', { type: 1, observe: 0, token: 'w' });
    await broker.clock.run();
    c.request('PUT /t/a?retain=true', { payload: '2' });
    await broker.clock.run();
    expect(watcher.heard()).toEqual(['NON 2.05 w observe ct=50 "1"', 'NON 2.05 w observe "2"']);
  });

  test('[RFC7641-3.4] sequence numbers grow', async () => {
    const broker = await start();
    const watcher = new Client(broker);
    watcher.request('GET /t/a', { type: 1, observe: 0 });
    await broker.clock.run();
    const c = new Client(broker);
    for (let i = 0; i < 5; i++) {
      c.request('PUT /t/a', { payload: String(i) });
      await broker.clock.run();
    }
    const numbers = watcher
      .messages()
      .map((m) => decodeUint(m.options.find((o) => o.number === OPTION.observe)!.value));
    expect(numbers).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('a topic without a value can be observed, a filter too', async () => {
    const broker = await start();
    const watcher = new Client(broker);
    watcher.request('GET /t/room/+/heat', { observe: 0 });
    await broker.clock.run();
    const c = new Client(broker);
    c.request('PUT /t/room/1/heat?qos=0', { payload: '20' });
    await broker.clock.run();
    expect(watcher.heard()).toEqual(['ACK 2.05 k observe', 'NON 2.05 k observe /t /room /1 /heat "20"']);
  });

  test('[RFC7641-4.5] a confirmable notification holds back others; only the newest follows its acknowledgement', async () => {
    const broker = await start();
    const watcher = new Client(broker);
    watcher.request('GET /t/a', { observe: 0 });
    await broker.clock.run();
    watcher.heard();
    const c = new Client(broker);
    for (const payload of ['1', '2', '3']) {
      c.request('PUT /t/a', { payload });
      await broker.clock.advance(100);
    }
    const [first, ...more] = watcher.messages();
    expect([first!.type, Buffer.from(first!.payload).toString(), more]).toEqual([0, '1', []]);
    watcher.send(2, first!.id);
    await broker.clock.advance(100);
    expect(watcher.heard()).toEqual(['CON 2.05 k observe "3"']);
  });

  test('[RFC7252-4.2] an unacknowledged notification is sent five times in all, then the observation is over', async () => {
    const broker = await start();
    const watcher = new Client(broker);
    watcher.request('GET /t/a', { observe: 0 });
    await broker.clock.run();
    watcher.heard();
    await broker.clock.advance(600_000); // a delivery long after the last request: time-outs count from now
    const c = new Client(broker);
    c.request('PUT /t/a', { payload: '1' });
    await broker.clock.advance(1_900);
    expect(watcher.heard()).toEqual(['CON 2.05 k observe "1"']);
    await broker.clock.advance(120_000);
    expect(watcher.heard()).toEqual(new Array(4).fill('CON 2.05 k observe "1"'));
    c.request('PUT /t/a', { payload: '2' });
    await broker.clock.advance(10_000);
    expect(watcher.heard()).toEqual([]);
  });

  test.each(['Observe 1', 'reset', 'reset of a non-confirmable'])('[RFC7641-3.6] %s ends it', async (how) => {
    const broker = await start();
    const watcher = new Client(broker);
    const nonConfirmable = how.endsWith('non-confirmable');
    watcher.request(`GET /t/a?qos=${nonConfirmable ? 0 : 1}`, { observe: 0 });
    const c = new Client(broker);
    await broker.clock.run();
    c.request('PUT /t/a', { payload: '1' });
    await broker.clock.run();
    const notification = watcher.messages().at(-1)!;
    if (how === 'Observe 1') {
      watcher.send(2, notification.id);
      watcher.request('GET /t/a', { observe: 1 });
    } else watcher.send(3, notification.id);
    await broker.clock.run();
    watcher.heard();
    c.request('PUT /t/a', { payload: '2' });
    await broker.clock.run();
    expect(watcher.heard()).toEqual([]);
    expect(broker.hub.stats.subscriptions).toBe(0);
  });

  test('[RFC7641-4.1] the same token again replaces the observation', async () => {
    const broker = await start();
    const watcher = new Client(broker);
    watcher.request('GET /t/a', { observe: 0, type: 1 });
    watcher.request('GET /t/b', { observe: 0, type: 1 });
    await broker.clock.run();
    watcher.heard();
    const c = new Client(broker);
    c.request('PUT /t/a', { payload: 'a' });
    c.request('PUT /t/b', { payload: 'b' });
    await broker.clock.run();
    expect(watcher.heard()).toEqual(['NON 2.05 k observe "b"']);
  });

  test('two endpoints may use the same token', async () => {
    const broker = await start();
    const watchers = [new Client(broker), new Client(broker)];
    for (const watcher of watchers) watcher.request('GET /t/a', { observe: 0, type: 1 });
    await broker.clock.run();
    new Client(broker).request('PUT /t/a', { payload: '1' });
    await broker.clock.run();
    for (const watcher of watchers)
      expect(watcher.heard()).toEqual(['NON 2.05 k observe', 'NON 2.05 k observe "1"']);
  });

  test('over the limit of subscriptions the answer has no Observe; what was refused leaves nothing behind', async () => {
    const broker = await start({ limits: { subscriptionsPerClient: 1 } });
    const c = new Client(broker);
    c.request('PUT /t/a?retain=true', { payload: '1', format: 50 });
    await broker.clock.run();
    const accept = [{ number: OPTION.accept, value: Uint8Array.of(60) }];
    c.request('GET /t/a', { observe: 0, token: 'x', extra: accept });
    await broker.clock.run();
    expect(c.heard().at(-1)).toBe('ACK 4.06 x "another Content-Format"');
    expect([broker.hub.stats.sessions, broker.hub.stats.subscriptions]).toEqual([0, 0]);
    c.request('GET /t/a', { observe: 0, token: 'y' });
    c.request('GET /t/a', { observe: 0, token: 'z' });
    await broker.clock.run();
    expect(c.heard()).toEqual(['ACK 2.05 y observe ct=50 "1"', 'ACK 2.05 z ct=50 "1"']);
    expect(broker.hub.stats.sessions).toBe(1);
  });

  test('over a lossy, disordered network the newest value arrives in the end', async () => {
    const broker = await start({ seed: 9, link: { loss: 0.3, delayMs: 20, jitterMs: 200 } });
    const watcher = new Client(broker, { loss: 0 });
    watcher.request('GET /t/a', { observe: 0 });
    await broker.clock.advance(1_000);
    const acknowledge = (): string[] => {
      const heard = watcher.messages();
      for (const m of heard) if (m.type === 0) watcher.send(2, m.id);
      return heard.map((m) => Buffer.from(m.payload).toString());
    };
    const c = new Client(broker, { loss: 0 });
    for (let i = 0; i < 20; i++) {
      c.request('PUT /t/a', { payload: String(i) });
      await broker.clock.advance(50);
      acknowledge();
    }
    let last = '';
    for (let i = 0; i < 20; i++) {
      await broker.clock.advance(1_000);
      last = acknowledge().at(-1) ?? last;
    }
    expect(last).toBe('19');
  });
});

describe('clients', () => {
  const identity = { principal: 'sensor', unrestricted: false, validUntil: Number.POSITIVE_INFINITY };
  const GUARDED: Auth = {
    ...OPEN,
    identify: ({ username, password }) =>
      Promise.resolve(
        username === 'sensor' && Buffer.from(password ?? []).toString() === 'secret'
          ? identity
          : 'bad-credentials',
      ),
    allows: (_who, _client, _action, topic) => topic.startsWith('mine/'),
  };

  test('wrong credentials are 4.01, another topic 4.03, another name on this endpoint 4.01', async () => {
    const broker = await start({ auth: GUARDED });
    const c = new Client(broker);
    const steps: readonly [request: string, answer: string][] = [
      ['PUT /t/mine/a', 'ACK 4.01 k "bad-credentials"'],
      ['PUT /t/mine/a?u=sensor&p=wrong', 'ACK 4.01 k "bad-credentials"'],
      ['PUT /t/mine/a?u=sensor&p=secret', 'ACK 2.04 k'],
      ['PUT /t/mine/a', 'ACK 2.04 k'],
      ['PUT /t/yours/a', 'ACK 4.03 k "not-authorized"'],
      ['PUT /t/mine/a?u=root&p=secret', 'ACK 4.01 k "this endpoint is logged in as another client"'],
    ];
    for (const [request, answer] of steps) {
      c.request(request);
      await broker.clock.run();
      expect([request, c.heard()]).toEqual([request, [answer]]);
    }
    c.request('GET /t/yours/a', { observe: 0 });
    await broker.clock.run();
    expect(c.heard()).toEqual(['ACK 4.03 k "not-authorized"']);
  });

  test('an endpoint that is silent is forgotten, and known again when it comes back', async () => {
    const broker = await start();
    const c = new Client(broker);
    c.request('PUT /t/a');
    await broker.clock.run();
    expect(broker.hub.stats.clients).toBe(1);
    await broker.clock.advance(250_000);
    expect(broker.hub.stats.clients).toBe(0);
    c.request('PUT /t/a');
    await broker.clock.run();
    expect(broker.hub.stats.clients).toBe(1);
    expect(c.heard()).toEqual(['ACK 2.04 k', 'ACK 2.04 k']);
  });

  test('[RFC7641-4.2] when the hub stops, observers are told', async () => {
    const broker = await start();
    const watcher = new Client(broker);
    watcher.request('GET /t/a', { observe: 0 });
    await broker.clock.run();
    watcher.heard();
    await broker.stop();
    expect(watcher.heard()).toEqual(['NON 5.03 k']);
  });
});
