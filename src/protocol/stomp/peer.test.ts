// The STOMP tower over a whole hub: connecting, sending, subscribing, answering, transactions, heart-beats, endings.

import { describe, expect, test } from 'vitest';
import { type Broker, type BrokerOptions, OPEN, startBroker } from '../../../test/network.ts';
import { type HeardFrame, StompClient } from '../../../test/stomp-client.ts';
import { stomp } from './protocol.ts';

async function start(options: BrokerOptions = {}): Promise<Broker> {
  return startBroker({ protocols: [stomp()], ...options });
}

function bodies(frames: readonly HeardFrame[]): string[] {
  return frames.filter((f) => f.command === 'MESSAGE').map((f) => f.body.toString());
}

describe('connecting', () => {
  test.each([
    [undefined, '1.0'],
    ['1.0', '1.0'],
    ['1.0,1.1', '1.1'],
    ['1.2,1.1', '1.2'],
    ['1.0, 1.1, 2.0', '1.1'],
  ])('[STOMP12-protocol-negotiation] accept-version %s: %s', async (accepted, version) => {
    const c = new StompClient(await start());
    c.say('CONNECT', accepted === undefined ? {} : { 'accept-version': accepted });
    const [connected] = await c.heard();
    expect(connected).toMatchObject({ command: 'CONNECTED', headers: { version } });
    expect(connected!.headers.session).toMatch(/^wm-/);
  });

  test('[STOMP12-connect-or-stomp-frame] STOMP is CONNECT, and CRLF ends lines', async () => {
    const c = new StompClient(await start());
    c.raw.send(Buffer.from('\r\nSTOMP\r\naccept-version:1.2\r\nhost:h\r\n\r\n\0\r\n'));
    expect(await c.heard()).toMatchObject([{ command: 'CONNECTED', headers: { version: '1.2' } }]);
    c.raw.send(Buffer.from('SUBSCRIBE\r\nid:0\r\ndestination:/topic/a\r\nreceipt:r\r\n\r\n\0'));
    expect(await c.heard()).toMatchObject([{ command: 'RECEIPT', headers: { 'receipt-id': 'r' } }]);
  });

  test('no common version: ERROR says which there are', async () => {
    const c = new StompClient(await start());
    c.say('CONNECT', { 'accept-version': '2.0' });
    expect(await c.heard()).toMatchObject([{ command: 'ERROR', headers: { version: '1.0,1.1,1.2' } }]);
    expect(c.raw.closed).toBe(true);
  });

  test('login and passcode are shown to the hub, and a refusal is said', async () => {
    const logins: unknown[] = [];
    const identify: typeof OPEN.identify = (login) => {
      logins.push([login.username, Buffer.from(login.password!).toString(), login.client]);
      return Promise.resolve('bad-credentials');
    };
    const c = new StompClient(await start({ auth: { ...OPEN, identify } }));
    c.say('CONNECT', { 'accept-version': '1.2', login: 'u', passcode: 'p:w', 'client-id': 'me' });
    expect(await c.heard()).toMatchObject([{ command: 'ERROR', headers: { message: 'bad-credentials' } }]);
    expect([logins, c.raw.closed]).toEqual([[['u', 'p:w', 'me']], true]);
  });

  test('1.0 clients write blanks around values', async () => {
    const c = new StompClient(await start());
    c.say('CONNECT', { login: ' ', passcode: ' ', 'client-id': ' me ' });
    expect(await c.heard()).toMatchObject([{ command: 'CONNECTED', headers: { session: 'me' } }]);
  });

  test('frames that follow CONNECT at once are performed after it', async () => {
    const c = new StompClient(await start());
    c.raw.send(
      Buffer.from(
        'CONNECT\naccept-version:1.2\n\n\0SUBSCRIBE\nid:0\ndestination:/topic/a\n\n\0SEND\ndestination:/topic/a\n\nhi\0',
      ),
    );
    expect((await c.heard()).map((f) => f.command)).toEqual(['CONNECTED', 'MESSAGE']);
  });

  test('who says nothing is sent away', async () => {
    const broker = await start();
    const c = new StompClient(broker);
    await broker.clock.advance(30_000);
    expect(c.taken()).toMatchObject([{ command: 'ERROR', headers: { message: 'idle' } }]);
    expect(c.raw.closed).toBe(true);
  });
});

describe('messages', () => {
  test.each(['1.0', '1.1', '1.2'])('%s: everything that a SEND says arrives', async (version) => {
    const broker = await start();
    const c = await StompClient.connect(broker, {}, version);
    c.say('SUBSCRIBE', { id: 's:1'.replace(':', version === '1.0' ? '' : '\\c'), destination: '/topic/a/+' });
    const escaped = version === '1.0' ? 'x' : 'x\\cy\\nz\\\\';
    const plain = version === '1.0' ? 'x' : 'x:y\nz\\';
    c.say(
      'SEND',
      {
        destination: '/topic/a/b',
        'content-type': 'text/plain',
        'reply-to': '/topic/answers',
        'correlation-id': 'c1',
        'amqp-message-id': 'AMQP_UUID:00000000-0000-0000-0000-00000000000a',
        priority: '9',
        timestamp: '1234',
        JMSXGroupID: 'g',
        custom: escaped,
        'content-length': '3',
        'message-id': 'forged',
        subscription: 'forged',
      },
      Buffer.from([0, 0x61, 0]),
    );
    const [m] = await c.heard();
    expect(m!.body).toEqual(Buffer.from([0, 0x61, 0]));
    expect(m!.headers).toEqual({
      subscription: version === '1.0' ? 's1' : 's:1',
      'message-id': '1-1',
      destination: '/topic/a/b',
      'content-type': 'text/plain',
      'reply-to': '/topic/answers',
      'correlation-id': 'c1',
      'amqp-message-id': 'AMQP_UUID:00000000-0000-0000-0000-00000000000a',
      priority: '9',
      timestamp: '1234',
      JMSXGroupID: 'g',
      custom: plain,
      'content-length': '3',
    });
  });

  test('[STOMP12-repeated-header-entries] the first value counts, properties keep all', async () => {
    const c = await StompClient.connect(await start());
    c.say('SUBSCRIBE', { id: '0', destination: '/topic/a' });
    c.raw.send(Buffer.from('SEND\ndestination:/topic/a\ndestination:/topic/b\nfoo:World\nfoo:Hello\n\nx\0'));
    const [m] = await c.heard();
    expect(m!.lines.filter(([name]) => name === 'foo')).toEqual([
      ['foo', 'World'],
      ['foo', 'Hello'],
    ]);
  });

  test('retained messages come to later subscribers, and expired ones to nobody', async () => {
    const broker = await start();
    const c = await StompClient.connect(broker);
    c.say('SEND', { destination: '/topic/a', retain: 'true', persistent: 'true' }, 'kept');
    c.say('SEND', { destination: '/topic/b', retain: 'true', expiration: '1000' }, 'brief');
    await c.heard();
    await broker.clock.advance(2_000);
    c.say('SUBSCRIBE', { id: '0', destination: '/topic/#', receipt: 'r' });
    expect(await c.heard()).toMatchObject([
      { command: 'RECEIPT' },
      { command: 'MESSAGE', headers: { retain: 'true', persistent: 'true', destination: '/topic/a' } },
    ]);
  });

  test('a large body in small pieces', async () => {
    const broker = await start({ link: { chunk: 1_000 } });
    const c = await StompClient.connect(broker);
    c.say('SUBSCRIBE', { id: '0', destination: '/topic/a' });
    const body = Buffer.alloc(200_000, 'x');
    c.say('SEND', { destination: '/topic/a' }, body);
    c.say('SEND', { destination: '/topic/a', 'content-length': '200000' }, body);
    const heard = await c.heard();
    expect(heard.map((f) => f.body.equals(body))).toEqual([true, true]);
  });

  test('selectors choose among the messages of a topic', async () => {
    const c = await StompClient.connect(await start());
    c.say('SUBSCRIBE', { id: '0', destination: '/topic/a', selector: "colour = 'red' AND size > 5" });
    for (const [colour, size] of [
      ['red', '6'],
      ['red', '4'],
      ['blue', '6'],
    ] as const)
      c.say('SEND', { destination: '/topic/a', colour, size }, colour + size);
    expect(bodies(await c.heard())).toEqual(['red6']);
  });

  test('amq.topic is the hub: its keys are topics', async () => {
    const c = await StompClient.connect(await start());
    c.say('SUBSCRIBE', { id: '0', destination: '/topic/a/b.c/d' });
    c.say('SEND', { destination: '/exchange/amq.topic/a.b%2Ec.d' }, 'x');
    expect(bodies(await c.heard())).toEqual(['x']);
  });
});

describe('receipts', () => {
  test('[STOMP12-receipt] a receipt leaves when what it says is kept, and in order', async () => {
    const broker = await start({ commitMs: 50 });
    const c = await StompClient.connect(broker);
    await broker.clock.advance(200);
    c.say('SEND', { destination: '/queue/a', receipt: 'one' }, 'x');
    c.say('SEND', { destination: '/topic/nobody', receipt: 'two' }, 'y');
    await broker.clock.advance(40);
    expect(c.taken()).toEqual([]);
    await broker.clock.advance(40);
    expect(c.taken().map((f) => f.headers['receipt-id'])).toEqual(['one', 'two']);
    await broker.crash();
    const later = await StompClient.connect(broker);
    later.say('SUBSCRIBE', { id: '0', destination: '/queue/a' });
    expect(bodies(await later.heard())).toEqual(['x']);
  });

  test('[STOMP12-disconnect] a receipt, then the end', async () => {
    const broker = await start();
    const c = await StompClient.connect(broker);
    c.say('DISCONNECT', { receipt: '77' });
    c.say('SEND', { destination: '/topic/late' }, 'counts no more');
    expect(await c.heard()).toMatchObject([{ command: 'RECEIPT', headers: { 'receipt-id': '77' } }]);
    expect([c.raw.closed, broker.hub.stats.clients]).toEqual([true, 0]);
  });
});

describe('acknowledgements', () => {
  async function withThree(mode: string, version = '1.2'): Promise<[Broker, StompClient, HeardFrame[]]> {
    const broker = await start();
    const c = await StompClient.connect(broker, {}, version);
    for (const n of ['1', '2', '3']) c.say('SEND', { destination: '/queue/q' }, n);
    c.say('SUBSCRIBE', { id: 's', destination: '/queue/q', ack: mode });
    return [broker, c, await c.heard()];
  }
  /** What another client finds in the queue once this one is gone. */
  async function left(broker: Broker, c: StompClient): Promise<string[]> {
    await broker.clock.run();
    c.raw.cut();
    const other = await StompClient.connect(broker);
    other.say('SUBSCRIBE', { id: 'x', destination: '/queue/q' });
    return (await other.heard()).map(
      (f) => f.body.toString() + (f.headers.redelivered === 'true' ? '!' : ''),
    );
  }
  function id(m: HeardFrame, version: string): Record<string, string> {
    return version === '1.2'
      ? { id: m.headers.ack! }
      : { 'message-id': m.headers['message-id']!, subscription: 's' };
  }

  test('auto: taken when sent', async () => {
    const [broker, c, messages] = await withThree('auto');
    expect([bodies(messages), messages[0]!.headers.ack]).toEqual([['1', '2', '3'], undefined]);
    expect(await left(broker, c)).toEqual([]);
  });

  test.each(['1.0', '1.1', '1.2'])('%s client: an ACK counts for all before it', async (version) => {
    const [broker, c, messages] = await withThree('client', version);
    c.say('ACK', id(messages[1]!, version));
    expect(await left(broker, c)).toEqual(['3!']);
  });

  test.each(['1.1', '1.2'])('%s client-individual: an ACK counts for one', async (version) => {
    const [broker, c, messages] = await withThree('client-individual', version);
    c.say('ACK', id(messages[1]!, version));
    c.say('ACK', id(messages[1]!, version)); // once more does no harm
    expect(await left(broker, c)).toEqual(['1!', '3!']);
  });

  test('NACK gives back, or with requeue:false buries', async () => {
    const broker = await start();
    const c = await StompClient.connect(broker);
    const declared = { 'x-delivery-limit': '2', 'x-dead-letter-destination': '/topic/dead' };
    c.say('SUBSCRIBE', { id: 'd', destination: '/topic/dead' });
    c.say('SUBSCRIBE', { id: 'q', destination: '/queue/q', ack: 'client-individual', ...declared });
    c.say('SEND', { destination: '/queue/q' }, '1');
    const [first] = await c.heard();
    c.say('NACK', { id: first!.headers.ack! });
    const [again] = await c.heard();
    expect(again!.headers).toMatchObject({ redelivered: 'true', subscription: 'q' });
    c.say('NACK', { id: again!.headers.ack! });
    const [dead] = await c.heard();
    expect(dead!.headers).toMatchObject({
      destination: '/topic/dead',
      'x-first-death-reason': 'delivery-limit',
    });
    c.say('SEND', { destination: '/queue/q' }, '2');
    const [second] = await c.heard();
    c.say('NACK', { id: second!.headers.ack!, requeue: 'false' });
    expect((await c.heard())[0]!.headers).toMatchObject({ 'x-last-death-reason': 'rejected' });
  });

  test('prefetch-count is the window', async () => {
    const c = await StompClient.connect(await start());
    for (const n of ['1', '2', '3']) c.say('SEND', { destination: '/queue/q' }, n);
    c.say('SUBSCRIBE', { id: 's', destination: '/queue/q', ack: 'client', 'prefetch-count': '2' });
    const messages = await c.heard();
    expect(bodies(messages)).toEqual(['1', '2']);
    c.say('ACK', { id: messages[0]!.headers.ack! });
    expect(bodies(await c.heard())).toEqual(['3']);
  });

  test('who does not read its receipts is read no further, and loses nothing', async () => {
    const broker = await start({ commitMs: 1_000 });
    const c = await StompClient.connect(broker, { 'heart-beat': '1000,0' });
    const sends = 3_000;
    for (let n = 0; n < sends; n++) c.say('SEND', { destination: '/queue/q', receipt: `${n}` }, 'x');
    await broker.clock.advance(500);
    expect(broker.hub.counters.of('stomp').received[1]).toBeLessThan(sends);
    for (let second = 0; second < 10; second++) {
      await broker.clock.advance(1_000);
      c.raw.send(Buffer.from('\n'));
    }
    expect(c.taken().map((f) => f.headers['receipt-id'])).toEqual(
      Array.from({ length: sends }, (_, n) => `${n}`),
    );
    expect(c.raw.closed).toBe(false);
  });

  test('UNSUBSCRIBE gives back what was not answered, and a late ACK does no harm', async () => {
    const [broker, c, messages] = await withThree('client');
    c.say('UNSUBSCRIBE', { id: 's' });
    c.say('ACK', { id: messages[0]!.headers.ack! });
    expect(await c.heard()).toEqual([]);
    expect(await left(broker, c)).toEqual(['1!', '2!', '3!']);
  });
});

describe('transactions', () => {
  test('sends and answers wait for COMMIT, and ABORT forgets them', async () => {
    const c = await StompClient.connect(await start());
    c.say('SUBSCRIBE', { id: 't', destination: '/topic/a' });
    c.say('SUBSCRIBE', { id: 'q', destination: '/queue/q', ack: 'client', 'prefetch-count': '1' });
    for (const n of ['1', '2']) c.say('SEND', { destination: '/queue/q' }, n);
    const [first] = await c.heard();
    c.say('BEGIN', { transaction: 'tx' });
    c.say('SEND', { destination: '/topic/a', transaction: 'tx' }, 'sent');
    c.say('ACK', { id: first!.headers.ack!, transaction: 'tx' });
    expect(await c.heard()).toEqual([]);
    c.say('COMMIT', { transaction: 'tx', receipt: 'r' });
    expect((await c.heard()).map((f) => f.command + f.body.toString())).toEqual([
      'MESSAGEsent',
      'MESSAGE2',
      'RECEIPT',
    ]);
    c.say('BEGIN', { transaction: 'tx' });
    c.say('SEND', { destination: '/topic/a', transaction: 'tx' }, 'never');
    c.say('ABORT', { transaction: 'tx' });
    expect(await c.heard()).toEqual([]);
  });
});

describe('durable subscriptions', () => {
  test.each([
    [{ 'durable-subscription-name': 'mine' }],
    [{ 'activemq.subscriptionName': 'mine' }],
    [{ durable: 'true', 'auto-delete': 'false' }],
  ])('%j: messages wait for the client, even through a crash', async (durable) => {
    const broker = await start();
    const me = { 'client-id': 'me' };
    let c = await StompClient.connect(broker, me);
    c.say('SUBSCRIBE', { id: '0', destination: '/topic/a/#', ack: 'client', ...durable, receipt: 'r' });
    await c.heard();
    c.raw.cut();
    const other = await StompClient.connect(broker);
    for (const n of ['1', '2']) other.say('SEND', { destination: '/topic/a/b', receipt: n }, n);
    await other.heard();
    await broker.crash();
    c = await StompClient.connect(broker, me);
    c.say('SUBSCRIBE', { id: '0', destination: '/topic/a/#', ack: 'client', ...durable });
    const messages = await c.heard();
    expect(bodies(messages)).toEqual(['1', '2']);
    c.say('ACK', { id: messages[0]!.headers.ack! });
    await c.heard();
    c.raw.cut();
    c = await StompClient.connect(broker, me);
    c.say('SUBSCRIBE', { id: '0', destination: '/topic/a/#', ack: 'auto', ...durable });
    expect(await c.heard()).toMatchObject([{ headers: { redelivered: 'true' } }]);
    c.say('UNSUBSCRIBE', { id: '0', ...durable });
    await c.heard();
    expect(broker.hub.stats.sessions).toBe(0);
  });

  test('they need a client-id', async () => {
    const c = await StompClient.connect(await start());
    c.say('SUBSCRIBE', { id: '0', destination: '/topic/a', 'durable-subscription-name': 'x' });
    expect((await c.heard())[0]!.body.toString()).toContain('client-id');
  });
});

describe('temporary and reply queues', () => {
  test('a request is answered into a temporary queue that nobody subscribed to', async () => {
    const broker = await start();
    const asking = await StompClient.connect(broker);
    const serving = await StompClient.connect(broker);
    serving.say('SUBSCRIBE', { id: '0', destination: '/queue/calls' });
    asking.say(
      'SEND',
      { destination: '/queue/calls', 'reply-to': '/temp-queue/mine', 'correlation-id': '7' },
      '?',
    );
    const [call] = await serving.heard();
    expect(call!.headers['reply-to']).toMatch(/^\/queue\/wm-/);
    serving.say('SEND', { destination: call!.headers['reply-to']!, 'correlation-id': '7' }, '!');
    await serving.heard();
    const [answer] = await asking.heard();
    expect(answer!.headers).toMatchObject({ subscription: '/temp-queue/mine', 'correlation-id': '7' });
    serving.say('SUBSCRIBE', { id: '1', destination: call!.headers['reply-to']! });
    expect(await serving.heard()).toMatchObject([{ command: 'ERROR', headers: { message: 'busy' } }]);
    asking.raw.cut();
    await broker.clock.run();
    expect(broker.hub.stats.clients).toBe(0);
  });

  test('a client may subscribe to its temporary queue, and send there', async () => {
    const c = await StompClient.connect(await start());
    c.say('SUBSCRIBE', { id: '0', destination: '/temp-queue/x', ack: 'client' });
    c.say('SEND', { destination: '/temp-queue/x' }, 'me');
    expect(bodies(await c.heard())).toEqual(['me']);
  });
});

describe('heart-beats', () => {
  test('[STOMP12-heart-beating] the slower wish of both sides counts', async () => {
    const broker = await start();
    const c = await StompClient.connect(broker, { 'heart-beat': '500,4000' });
    await broker.clock.advance(1_900); // 500 is faster than the hub asks for: 1000, and as long again
    expect(c.raw.closed).toBe(false);
    c.raw.send(Buffer.from('\n'));
    await broker.clock.advance(1_900);
    c.taken();
    expect([c.raw.closed, c.beats]).toEqual([false, 1]);
    await broker.clock.advance(300);
    expect(c.taken()).toMatchObject([{ command: 'ERROR', headers: { message: 'idle' } }]);
    expect(c.raw.closed).toBe(true);
  });

  test('something leaves within every interval that the client wants', async () => {
    const broker = await start();
    const c = await StompClient.connect(broker, { 'heart-beat': '0,2000' });
    for (let n = 1; n <= 5; n++) {
      await broker.clock.advance(2_000);
      c.taken();
      expect(c.beats).toBeGreaterThanOrEqual(n);
    }
    expect(c.raw.closed).toBe(false);
  });

  test("a login that takes long is not the client's silence", async () => {
    const broker = await start({
      auth: {
        ...OPEN,
        identify: async (login) => {
          const identity = await OPEN.identify(login);
          return new Promise((resolve) => broker.clock.at(broker.clock.now + 5_000, () => resolve(identity)));
        },
      },
    });
    const c = new StompClient(broker);
    c.say('CONNECT', { 'accept-version': '1.2', 'heart-beat': '1000,0' });
    await broker.clock.advance(6_500);
    expect([c.taken().map((f) => f.command), c.raw.closed]).toEqual([['CONNECTED'], false]);
    await broker.clock.advance(1_000);
    expect(c.raw.closed).toBe(true);
  });

  test('0,0: silence is no fault', async () => {
    const broker = await start();
    const c = await StompClient.connect(broker, { 'heart-beat': '0,0' });
    await broker.clock.advance(1_000_000);
    c.taken();
    expect([c.raw.closed, c.beats]).toEqual([false, 0]);
  });
});

describe('refusals', () => {
  test('[STOMP12-connecting] a SEND in front of CONNECT', async () => {
    const broker = await start();
    const c = new StompClient(broker);
    c.say('SEND', { destination: '/topic/a' }, 'x');
    await broker.clock.advance(0);
    const [error] = c.taken();
    expect([error?.command, Buffer.from(error!.body).toString()]).toEqual([
      'ERROR',
      'CONNECT is the first frame, not SEND [STOMP12-connecting]\n',
    ]);
    expect(c.raw.closed).toBe(true);
  });

  const REFUSED: readonly [name: string, frames: [string, Record<string, string>][], says: string][] = [
    ['a second CONNECT', [['CONNECT', {}]], 'CONNECT is the first frame'],
    ['an unknown command', [['SNED', {}]], '"SNED" is none of'],
    ['a header without a colon', [['SEND\ndestination', {}]], 'no colon'],
    ['an unknown escape', [['SEND', { destination: '/topic/\\t' }]], 'no escape'],
    [
      'content-length that is none',
      [['SEND', { destination: '/topic/a', 'content-length': '-1' }]],
      'not a number',
    ],
    [
      'a body larger than allowed',
      [['SEND', { destination: '/topic/a', 'content-length': '999999999' }]],
      'longer than',
    ],
    [
      'a body too short',
      [
        ['SEND', { destination: '/topic/a', 'content-length': '1' }],
        ['BEGIN', {}],
      ],
      'no NUL',
    ],
    ['a body where none may be', [['ACK', { id: '1', 'content-length': '5' }]], 'longer than 0'],
    ['SEND to nowhere', [['SEND', {}]], 'destination is missing'],
    ['SEND to no form', [['SEND', { destination: 'a' }]], 'none of /topic/'],
    ['SEND to a wildcard', [['SEND', { destination: '/topic/+' }]], 'wildcards'],
    ['SEND to a topic of the hub', [['SEND', { destination: '/topic/$SYS/x' }]], 'Not allowed'],
    ['SEND to no queue', [['SEND', { destination: '/queue/' }]], 'none of /topic/'],
    [
      'a queue that must exist',
      [['SUBSCRIBE', { id: '0', destination: '/amq/queue/none' }]],
      'no such queue',
    ],
    ['a priority that is none', [['SEND', { destination: '/topic/a', priority: 'high' }]], 'priority'],
    ['SUBSCRIBE without id', [['SUBSCRIBE', { destination: '/topic/a' }]], 'id is missing'],
    ['SUBSCRIBE to no filter', [['SUBSCRIBE', { id: '0', destination: '/topic/a/#/b' }]], 'no topic filter'],
    [
      'an unknown ack mode',
      [['SUBSCRIBE', { id: '0', destination: '/topic/a', ack: 'x' }]],
      'ack is none of',
    ],
    [
      'a bad selector',
      [['SUBSCRIBE', { id: '0', destination: '/topic/a', selector: 'a =' }]],
      'a value is expected',
    ],
    [
      'a bad queue option',
      [['SUBSCRIBE', { id: '0', destination: '/queue/a', 'x-overflow': 'x' }]],
      'drop-head',
    ],
    [
      'the same id twice',
      [
        ['SUBSCRIBE', { id: '0', destination: '/topic/a' }],
        ['SUBSCRIBE', { id: '0', destination: '/topic/b' }],
      ],
      'there already',
    ],
    ['UNSUBSCRIBE of nothing', [['UNSUBSCRIBE', { id: '9' }]], 'no subscription 9'],
    ['ACK of nothing', [['ACK', { id: '1-1' }]], 'never delivered'],
    ['ACK of no id', [['ACK', { id: 'x' }]], 'never delivered'],
    ['ACK in a transaction of nothing', [['ACK', { id: '1-1', transaction: 't' }]], 'never delivered'],
    ['COMMIT of nothing', [['COMMIT', { transaction: 't' }]], 'has not begun'],
    ['SEND in no transaction', [['SEND', { destination: '/topic/a', transaction: 't' }]], 'has not begun'],
    [
      'transactions without end',
      Array.from({ length: 101 }, (_, n) => ['BEGIN', { transaction: `${n}` }]),
      'More than 100',
    ],
    [
      'BEGIN twice',
      [
        ['BEGIN', { transaction: 't' }],
        ['BEGIN', { transaction: 't' }],
      ],
      'has begun before',
    ],
  ];
  test.each(REFUSED)('%s: ERROR says so, and the connection ends', async (_name, frames, says) => {
    const broker = await start();
    const c = await StompClient.connect(broker);
    const other = await StompClient.connect(broker);
    for (const [command, headers] of frames) c.say(command, { ...headers, receipt: 'r' });
    const error = (await c.heard()).at(-1)!;
    expect(error.command).toBe('ERROR');
    expect(error.body.toString()).toContain(says);
    expect([c.raw.closed, broker.hub.stats.clients, other.raw.closed]).toEqual([true, 1, false]);
  });

  test('[STOMP12-error] the receipt that was asked for is named', async () => {
    const c = await StompClient.connect(await start());
    c.say('SEND', { destination: 'x', receipt: 'r9' });
    expect((await c.heard())[0]!.headers).toMatchObject({ 'receipt-id': 'r9', message: 'bad-destination' });
  });

  test('limits of heads, before and after the login', async () => {
    const broker = await start({ protocols: [stomp({ headBytes: 500, headers: 4, lineLength: 100 })] });
    for (const [head, says] of [
      [`a:${'x'.repeat(101)}\n`, 'line is too long'],
      ['a:b\n'.repeat(5), 'more than 4 headers'],
      ['a:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n'.repeat(20), 'longer than 500'],
    ] as const) {
      const c = await StompClient.connect(broker);
      c.raw.send(Buffer.from(`SEND\n${head}`.repeat(1) + (says.startsWith('longer') ? '' : '\n\0')));
      expect((await c.heard())[0]!.body.toString()).toContain(says);
      expect(c.raw.closed).toBe(true);
    }
    const early = new StompClient(broker);
    early.raw.send(Buffer.alloc(5_000, 'x'));
    expect((await early.heard())[0]!.body.toString()).toContain('longer than 4096');
  });
});
