// The CoAP tower over a whole hub: requests, reliability, observations and refusals, clause by clause.

import { describe, expect, test } from 'vitest';
import { CoapTestClient as Client, type RequestParts } from '../../../test/coap-client.ts';
import { type Broker, type BrokerOptions, OPEN, startBroker } from '../../../test/network.ts';
import { decodeCbor } from '../../bytes/cbor.ts';
import type { Auth } from '../../contract/auth.ts';
import { decodeUint } from './decode.ts';
import { CODE, OPTION } from './packet.ts';
import { coap } from './protocol.ts';

const utf8 = new TextEncoder();

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

  test('[RFC7641-4.5] of the notifications of QoS 0 every hundredth asks whether the client is there', async () => {
    const broker = await start();
    const watcher = new Client(broker);
    watcher.request('GET /t/a', { type: 1, observe: 0 });
    await broker.clock.run();
    watcher.heard();
    const c = new Client(broker);
    const types: number[] = [];
    for (let n = 0; n < 250; n++) {
      c.request('PUT /t/a?qos=0', { type: 1, payload: String(n) });
      await broker.clock.advance(10);
      for (const m of watcher.messages()) {
        types.push(m.type);
        if (m.type === 0) watcher.send(2, m.id);
      }
    }
    const asked = types.flatMap((type, n) => (type === 0 ? [n + 1] : []));
    expect([types.length, asked]).toEqual([250, [100, 200]]);
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

  test('[RFC7641-4.5.2] what is sent again is the newest value, in the place of the older one; five times in all', async () => {
    const broker = await start();
    const watcher = new Client(broker);
    watcher.request('GET /t/a', { observe: 0 });
    await broker.clock.run();
    watcher.messages();
    const c = new Client(broker, {}, '127.0.0.1:50002');
    for (const payload of ['1', '2', '3']) c.request('PUT /t/a', { payload });
    await broker.clock.advance(1_900);
    const [first] = watcher.messages();
    await broker.clock.advance(1_200);
    const [second] = watcher.messages();
    const texts = [first, second].map((m) => Buffer.from(m!.payload).toString());
    const sequence = (m: typeof first) =>
      decodeUint(m!.options.find((o) => o.number === OPTION.observe)!.value);
    expect(texts).toEqual(['1', '3']);
    expect([second!.id === first!.id, sequence(second) > sequence(first)]).toEqual([false, true]);
    watcher.send(2, first!.id); // late: it is not about what was sent last
    c.request('PUT /t/a', { payload: '4' });
    await broker.clock.advance(120_000);
    expect(watcher.heard()).toEqual(new Array(3).fill('CON 2.05 k observe "4"'));
    expect(broker.hub.stats.subscriptions).toBe(0);
  });

  test('[RFC7641-4.5.2] an acknowledgement of the newer one settles it; of a filter each message counts', async () => {
    const broker = await start();
    const watcher = new Client(broker);
    watcher.request('GET /t/a', { observe: 0, token: 'v' });
    watcher.request('GET /t/b/+', { observe: 0, token: 'f' });
    await broker.clock.run();
    watcher.messages();
    const c = new Client(broker, {}, '127.0.0.1:50002');
    const heard = async (ms: number) => {
      await broker.clock.advance(ms);
      const messages = watcher.messages();
      for (const m of messages.slice(-1)) watcher.send(2, m.id);
      return messages.map((m) => `${m.token} ${Buffer.from(m.payload)}`);
    };
    c.request('PUT /t/a', { payload: '1' });
    c.request('PUT /t/a', { payload: '2', type: 1 }); // QoS 0, and confirmable all the same
    expect((await heard(3_200)).map((one) => one.split(' ')[1])).toEqual(['1', '2']);
    for (const payload of ['x', 'y']) c.request('PUT /t/b/1', { payload });
    expect((await heard(3_200)).map((one) => one.split(' ')[1])).toEqual(['x', 'x']);
    expect((await heard(100)).map((one) => one.split(' ')[1])).toEqual(['y']);
    expect(await heard(60_000)).toEqual([]);
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

  test('a device over DTLS may sleep: its association does not end with its silence', async () => {
    const broker = await start();
    const c = new Client(broker, {}, '192.0.2.1:5684', 'coap', { secure: true });
    c.request('PUT /t/a');
    await broker.clock.run();
    await broker.clock.advance(80_000_000);
    expect(broker.hub.stats.clients).toBe(1);
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

describe('what requests may ask besides', () => {
  const option = (number: number, ...octets: number[]) => ({ number, value: Uint8Array.from(octets) });
  type Step = readonly [line: string, parts: RequestParts, answer: string | undefined];

  async function play(steps: readonly Step[], options: BrokerOptions = {}): Promise<void> {
    const broker = await start(options);
    const c = new Client(broker);
    for (const [line, parts, answer] of steps) {
      c.request(line, parts);
      await broker.clock.run();
      expect([line, c.heard()]).toEqual([line, answer === undefined ? [] : [answer]]);
    }
  }

  test('[RFC7252-5.10.8.2] If-None-Match: only where there is no value', () =>
    play([
      ['PUT /t/a?retain=1', { payload: '1', extra: [option(OPTION.ifNoneMatch)] }, 'ACK 2.04 k'],
      [
        'PUT /t/a?retain=1',
        { payload: '2', extra: [option(OPTION.ifNoneMatch)] },
        'ACK 4.12 k "another value"',
      ],
      ['GET /t/a', {}, 'ACK 2.05 k "1"'],
    ]));

  test('[RFC7252-5.10.6, 5.10.8.1] ETag validates, If-Match guards', async () => {
    const broker = await start();
    const c = new Client(broker);
    c.request('PUT /t/a?retain=1', { payload: '1' });
    await broker.clock.run();
    c.request('GET /t/a');
    await broker.clock.run();
    const eTag = c.messages()[1]!.options.find((o) => o.number === OPTION.eTag)!;
    c.request('GET /t/a', { extra: [eTag] });
    await broker.clock.run();
    expect(c.heard()).toEqual(['ACK 2.03 k']);
    const ifMatch = { number: OPTION.ifMatch, value: eTag.value };
    for (const payload of ['2', '3']) {
      c.request('PUT /t/a?retain=1', { payload, extra: [ifMatch] });
      await broker.clock.run();
    }
    c.request('PUT /t/none', { extra: [option(OPTION.ifMatch)] });
    await broker.clock.run();
    expect(c.heard()).toEqual(['ACK 2.04 k', 'ACK 4.12 k "another value"', 'ACK 4.12 k "no value"']);
  });

  test('[RFC7967-2.1] No-Response: classes that are not wanted; a confirmable request is acknowledged', () =>
    play([
      ['PUT /t/a', { extra: [option(OPTION.noResponse, 2)] }, 'ACK 0.00'],
      ['PUT /t/a', { type: 1, extra: [option(OPTION.noResponse, 26)] }, undefined],
      ['GET /t/none', { type: 1, extra: [option(OPTION.noResponse, 2)] }, 'NON 4.04 k "no retained message"'],
      ['GET /t/none', { type: 1, extra: [option(OPTION.noResponse, 8)] }, undefined],
    ]));

  test('[RFC8768-3] Hop-Limit 0 is a bad request', () =>
    play([
      ['PUT /t/a', { extra: [option(OPTION.hopLimit, 0)] }, 'ACK 4.00 k "Hop-Limit 0"'],
      ['PUT /t/a', { extra: [option(OPTION.hopLimit, 7)] }, 'ACK 2.04 k'],
    ]));

  test('[RFC8516-3] too many requests: 4.29 with the time to wait, silence for who does not wait', () =>
    play(
      [
        ['PUT /t/a', {}, 'ACK 2.04 k'],
        ['PUT /t/a', {}, 'ACK 2.04 k'],
        ['PUT /t/a', {}, 'ACK 4.29 k age=1'],
        ['PUT /t/a', { type: 1 }, undefined],
      ],
      { protocols: [coap({ requestsPerSecond: 2 })] },
    ));

  test('expiry: Max-Age tells what is left of it', async () => {
    const broker = await start();
    const c = new Client(broker);
    c.request('PUT /t/a?retain=1&expiry=60', { payload: '1' });
    await broker.clock.advance(10_000);
    c.request('GET /t/a');
    await broker.clock.advance(51_000);
    c.request('GET /t/a');
    await broker.clock.run();
    expect(c.heard()).toEqual(['ACK 2.04 k', 'ACK 2.05 k age=50 "1"', 'ACK 4.04 k "no retained message"']);
  });

  test('[RFC6690-4.1] discovery, filtered by attributes and prefixes', () =>
    play([
      [
        'GET /.well-known/core?rt=core.ps.coll',
        {},
        'ACK 2.05 k ct=40 "</ps>;rt=\\"core.ps core.ps.coll\\";ct=40"',
      ],
      [
        'GET /.well-known/core?href=/rp*',
        {},
        'ACK 2.05 k ct=40 "</rpc>;rt=\\"waymeet.rpc\\";title=\\"Calls: POST, FETCH\\""',
      ],
      ['GET /.well-known/core?rt=nothing', {}, 'ACK 2.05 k ct=40'],
      ['PUT /.well-known/core', {}, 'ACK 4.05 k "GET"'],
    ]));

  test('a filter with wildcards: what is retained comes first, each with its topic, none lost', async () => {
    const broker = await start();
    const c = new Client(broker);
    for (const topic of ['a/1', 'a/2', 'b/1']) c.request(`PUT /t/${topic}?retain=1`, { payload: topic });
    await broker.clock.run();
    const watcher = new Client(broker);
    watcher.request('GET /t/a/+?qos=0', { observe: 0 });
    await broker.clock.run();
    for (const topic of ['a/1', 'a/3']) c.request(`PUT /t/${topic}`, { payload: 'new' });
    await broker.clock.run();
    expect(watcher.heard()).toEqual([
      'ACK 2.05 k observe',
      'NON 2.05 k observe /t /a /1 "a/1"',
      'NON 2.05 k observe /t /a /2 "a/2"',
      'NON 2.05 k observe /t /a /1 "new"',
      'NON 2.05 k observe /t /a /3 "new"',
    ]);
  });

  test('[RFC7641-4.2] a value in a format that the observer does not accept ends it; of a filter it is passed over', async () => {
    const broker = await start();
    const accept = { extra: [option(OPTION.accept, 50)] };
    const watcher = new Client(broker);
    watcher.request('GET /t/a/1?qos=0', { observe: 0, token: 'v', ...accept });
    watcher.request('GET /t/a/+?qos=0', { observe: 0, token: 'f', ...accept });
    await broker.clock.run();
    watcher.heard();
    const c = new Client(broker, {}, '127.0.0.1:50002');
    for (const [payload, format] of [
      ['{}', 50],
      ['text', 0],
      ['[]', 50],
    ] as const) {
      c.request('PUT /t/a/1', { payload, format });
      await broker.clock.run();
    }
    expect(watcher.heard()).toEqual([
      'NON 2.05 v observe ct=50 "{}"',
      'NON 2.05 f observe /t /a /1 ct=50 "{}"',
      'NON 4.06 v',
      'NON 2.05 f observe /t /a /1 ct=50 "[]"',
    ]);
    expect(broker.hub.stats.subscriptions).toBe(1);
  });

  test('an ETag is of the whole envelope', async () => {
    const broker = await start();
    const c = new Client(broker);
    const tagged = async (parts: RequestParts = {}) => {
      c.request('PUT /t/a?retain=1', { payload: 'same' });
      await broker.clock.advance(1_000);
      c.messages();
      c.request('GET /t/a?envelope=json', parts);
      await broker.clock.run();
      const [m] = c.messages();
      return { code: m!.code, extra: m!.options.filter((o) => o.number === OPTION.eTag) };
    };
    const first = await tagged();
    const second = await tagged(first); // published at another time
    expect(second.code).toBe(CODE.content);
    c.request('GET /t/a?envelope=json', second);
    await broker.clock.run();
    expect(c.messages().map((m) => m.code)).toEqual([CODE.valid]);
  });

  test('an envelope says what options cannot', async () => {
    const broker = await start();
    const c = new Client(broker);
    c.request('PUT /t/a?retain=1', { payload: Uint8Array.of(0xff), format: 42 });
    await broker.clock.run();
    c.heard();
    c.request('GET /t/a?envelope=json');
    c.request('GET /t/a?envelope=cbor');
    await broker.clock.run();
    const [json, cbor] = c.messages();
    const said = {
      topic: 'a',
      qos: 1,
      retain: true,
      at: broker.clock.now,
      contentType: 'application/octet-stream',
    };
    const accept = (format: number) => ({ extra: [option(OPTION.accept, format)] });
    c.request('GET /t/a?envelope=json', accept(60));
    c.request('GET /t/a?envelope=cbor', accept(60));
    await broker.clock.run();
    expect(c.messages().map((m) => m.code)).toEqual([CODE.notAcceptable, CODE.content]);
    expect(JSON.parse(Buffer.from(json!.payload).toString())).toEqual({ ...said, payloadBase64: '/w==' });
    expect(decodeCbor(cbor!.payload)).toEqual(
      new Map(Object.entries({ ...said, payload: Uint8Array.of(0xff) })),
    );
  });

  test('plugtest: resources with conditions, locations, formats and a separate answer', () =>
    play(
      [
        ['GET /test', {}, 'ACK 2.05 k ct=0 "test"'],
        ['PUT /create1', { payload: 'x', extra: [option(OPTION.ifNoneMatch)] }, 'ACK 2.01 k'],
        ['PUT /create1', { payload: 'x', extra: [option(OPTION.ifNoneMatch)] }, 'ACK 4.12 k "another value"'],
        ['GET /seg1/seg2/seg3', {}, 'ACK 2.05 k ct=0 "seg3"'],
        ['POST /test', { payload: 'x' }, 'ACK 2.01 k /location1 /location2 /location3'],
        ['POST /location-query', {}, 'ACK 2.01 k option 20 option 20'],
        [
          'GET /multi-format',
          { extra: [option(OPTION.accept, 41)] },
          'ACK 2.05 k ct=41 "<content>xml</content>"',
        ],
        ['GET /multi-format', { extra: [option(OPTION.accept, 50)] }, 'ACK 4.06 k "0 or 41"'],
        ['POST /large-create', { payload: 'made' }, 'ACK 2.01 k /large-create /1'],
        ['GET /large-create/1', {}, 'ACK 2.05 k ct=0 "made"'],
        ['DELETE /test', {}, 'ACK 2.02 k'],
        ['GET /test', {}, 'ACK 4.04 k "nothing there"'],
      ],
      { protocols: [coap({ plugtest: true })] },
    ));

  test('plugtest: observations of /obs, their changes and their ends', async () => {
    const broker = await start({ protocols: [coap({ plugtest: true })] });
    const watcher = new Client(broker);
    const c = new Client(broker, {}, '127.0.0.1:50002');
    /** What the watcher hears, each acknowledged. */
    const heard = async (ms = 0) => {
      await broker.clock.advance(ms);
      const messages = watcher.heard();
      return messages.map((m) => m.replace(/plugtest.*"/, 'tick"'));
    };
    const register = async (value = 'tick') => {
      watcher.request('GET /obs', { observe: 0, type: 1, token: 'w' });
      expect(await heard()).toEqual([`NON 2.05 w observe ct=0 "${value}"`]);
    };
    const acknowledge = async () => {
      await broker.clock.advance(0);
      for (const m of watcher.messages()) if (m.type === 0) watcher.send(2, m.id);
      await broker.clock.advance(0);
    };
    await register();
    // TD_COAP_OBS_04: Observe 1 ends it.
    watcher.request('GET /obs', { observe: 1, token: 'w' });
    expect(await heard()).toEqual(['ACK 2.05 w ct=0 "tick"']);
    expect(await heard(20_000)).toEqual([]);
    // TD_COAP_OBS_09: a change from elsewhere.
    await register();
    c.request('PUT /obs', { payload: 'new', format: 0 });
    await acknowledge();
    // TD_COAP_OBS_08: another Content-Format ends it.
    c.request('PUT /obs', { payload: '<x/>', format: 41 });
    expect(await heard()).toEqual(['NON 4.06 w']);
    expect(await heard(20_000)).toEqual([]);
    // TD_COAP_OBS_07: so does DELETE. What was not acknowledged is not said again after the end.
    c.request('PUT /obs', { payload: 'text', format: 0 });
    await broker.clock.advance(0);
    await register('text');
    c.request('PUT /obs', { payload: 'new', format: 0 });
    expect(await heard()).toEqual(['CON 2.05 w observe ct=0 "new"']);
    c.request('DELETE /obs');
    expect(await heard(200_000)).toEqual(['NON 4.04 w']);
  });
});
