// Links in memory: windows and credit, settlement in all modes, recovery by delivery tag, and what is kept of a client that is away.

import { beforeEach, describe, expect, test } from 'vitest';
import { Amqp1Client } from '../../../test/amqp1-client.ts';
import { octets } from '../../../test/hex.ts';
import { type Broker, OPEN as OPEN_AUTH, startBroker, toHex } from '../../../test/network.ts';
import { encodeComposite } from './composite.ts';
import { encodeValue } from './encode.ts';
import { AMQP_HEADER } from './frames.ts';
import {
  ACCEPTED,
  ATTACH,
  type Attach,
  CLOSE,
  DETACH,
  DISPOSITION,
  END,
  FLOW,
  MODIFIED,
  OPEN,
  PROPERTIES,
  RCV_FIRST,
  RCV_SECOND,
  RECEIVED,
  RECEIVER,
  REJECTED,
  RELEASED,
  SENDER,
  SND_SETTLED,
  SND_UNSETTLED,
  TRANSFER,
} from './packet.ts';
import { amqp1 } from './protocol.ts';
import { Sections } from './sections.ts';
import { type AmqpMap, type AmqpValue, text } from './types.ts';

/** A message with a string for its body. */
function message(body: string, properties: object = {}): Uint8Array {
  const parts = [encodeComposite(PROPERTIES, properties)];
  const value: AmqpValue = {
    type: 'described',
    descriptor: { type: 'ulong', value: 0x77n },
    value: text(body),
  };
  parts.push(encodeValue(value));
  return new Uint8Array(Buffer.concat(parts));
}

function bodyOf(bytes: Uint8Array): string {
  const sections = new Sections(bytes);
  const value = sections.valueOf(sections.body[0]!);
  return value.type === 'binary' ? Buffer.from(value.value).toString() : String(value.value);
}

const KEPT = { durable: 2, expiryPolicy: 'never' } as const;

let broker: Broker;

beforeEach(async () => {
  broker = await startBroker();
});

async function client(container = 'test', begin = {}): Promise<Amqp1Client> {
  return new Amqp1Client(broker).open(container, begin);
}

async function transfers(
  of: Amqp1Client,
): Promise<{ id: number; body: string; tag: string; settled: boolean }[]> {
  return (await of.hear()).flatMap(({ p, body }) =>
    p.kind === TRANSFER
      ? [
          {
            id: p.deliveryId!,
            body: body.length === 0 ? '' : bodyOf(body),
            tag: toHex(p.deliveryTag!),
            settled: p.settled === true,
          },
        ]
      : [],
  );
}

async function bodies(of: Amqp1Client): Promise<string[]> {
  return (await transfers(of)).map(({ body }) => body);
}

async function conditions(of: Amqp1Client): Promise<(string | undefined)[]> {
  return (await of.hear()).flatMap(({ p }) =>
    p.kind === DETACH || p.kind === END || p.kind === CLOSE ? [p.error?.condition] : [],
  );
}

describe('credit and windows', () => {
  test('[AMQP1-2.6.7] a link gets what it has credit for', async () => {
    const one = await client();
    one.receive(0, { address: 'queue://q' });
    one.send(1, { address: 'queue://q' });
    for (const body of ['1', '2', '3', '4']) one.transfer(1, message(body));
    expect(await bodies(one)).toEqual([]);
    one.credit(0, 1);
    expect(await bodies(one)).toEqual(['1']);
    one.credit(0, 2); // counted from delivery 0: one more
    expect(await bodies(one)).toEqual(['2']);
    one.credit(0, 1, { deliveryCount: 2 });
    expect(await bodies(one)).toEqual(['3']);
  });

  test('[AMQP1-2.6.7] drain: what is there comes, and the rest of the credit is used up', async () => {
    const one = await client();
    one.receive(0, { address: 'queue://q' });
    one.send(1, { address: 'queue://q' });
    one.transfer(1, message('1'));
    await one.hear();
    one.credit(0, 10, { drain: true });
    const heard = (await one.hear()).map(({ p }) => p);
    expect(heard).toMatchObject([
      { kind: TRANSFER },
      { kind: FLOW, handle: 0, deliveryCount: 10, drain: true },
    ]);
    one.transfer(1, message('2'));
    expect(await bodies(one)).toEqual([]);
  });

  test('[AMQP1-2.5.6] the session window holds back frames, in the middle of a delivery too', async () => {
    const one = await client('test', { incomingWindow: 2 });
    one.receive(0, { address: 'big' });
    one.send(1, { address: 'big' });
    await one.hear();
    one.say(0, {
      kind: FLOW,
      nextIncomingId: 0,
      incomingWindow: 2,
      nextOutgoingId: 0,
      outgoingWindow: 1,
      handle: 0,
      deliveryCount: 0,
      linkCredit: 5,
    });
    const body = 'x'.repeat(300_000);
    one.transfer(1, message(body));
    const first = (await one.hear()).filter(({ p }) => p.kind === TRANSFER);
    expect(first.map(({ p }) => 'more' in p && p.more)).toEqual([true]);
    one.say(0, { kind: FLOW, nextIncomingId: 2, incomingWindow: 5, nextOutgoingId: 0, outgoingWindow: 1 });
    await one.hear();
    expect(bodyOf(first[0]!.body)).toBe(body);
  });

  test('[AMQP1-2.7.5] a delivery in many frames is one message; one that is aborted is none', async () => {
    const one = await client();
    one.receive(0, { address: 'parts' });
    one.credit(0, 10);
    one.send(1, { address: 'parts' });
    await one.hear();
    const whole = message('in parts');
    const transfer = { kind: TRANSFER, handle: 1 } as const;
    const tag = { deliveryId: 0, deliveryTag: Uint8Array.of(1) };
    one.say(0, { ...transfer, ...tag, more: true });
    one.say(0, { ...transfer, aborted: true });
    one.transfer(1, whole, { deliveryTag: Uint8Array.of(2) });
    expect(await bodies(one)).toEqual(['in parts']);
  });

  test('more deliveries than credit detach the link', async () => {
    broker = await startBroker({ protocols: [amqp1({ credit: 10 })], commitMs: 50 });
    const one = await client();
    one.receive(0, { address: 'a', ...KEPT });
    one.send(1, { address: 'a' });
    await broker.clock.advance(100);
    await one.hear();
    // Nothing is answered before the store has kept it, so the credit does not come again.
    for (let i = 0; i < 11; i++) one.transfer(1, message('x'));
    expect(await conditions(one)).toEqual(['amqp:link:transfer-limit-exceeded']);
  });

  test('a message larger than the listener takes detaches its link', async () => {
    const one = new Amqp1Client(broker, { limits: { maxPacketBytes: 100_000 } });
    await one.open();
    one.send(1, { address: 'a' });
    const [attach] = await one.heardOf(ATTACH);
    expect(attach!.maxMessageSize).toBe(100_000n);
    one.transfer(1, message('x'.repeat(100_001)));
    expect(await conditions(one)).toEqual(['amqp:link:message-size-exceeded']);
  });

  test('unfinished deliveries are bounded together, even if their pieces are empty', async () => {
    const one = new Amqp1Client(broker, { limits: { maxPacketBytes: 10_000 } });
    await one.open();
    for (let handle = 0; handle < 10; handle++) {
      one.send(handle, { address: 'a' });
      for (let i = 0; i < 90; i++)
        one.say(0, { kind: TRANSFER, handle, deliveryId: handle, deliveryTag: Uint8Array.of(1), more: true });
    }
    expect(await conditions(one)).toEqual(['amqp:resource-limit-exceeded']);
    expect(one.raw.closed).toBe(true);
  });

  test('finished deliveries do not count as unfinished', async () => {
    const one = new Amqp1Client(broker, { limits: { maxPacketBytes: 300_000 } });
    await one.open();
    one.send(0, { address: 'a' });
    for (let i = 0; i < 20; i++) one.transfer(0, message('x'.repeat(200_000)));
    expect(await conditions(one)).toEqual([]);
  });
});

describe('what a client sends', () => {
  test('settled, or answered once it is kept', async () => {
    broker = await startBroker({ commitMs: 50 });
    const durable = await client('durable');
    durable.receive(0, { address: 'a', ...KEPT });
    await broker.clock.advance(100);
    await durable.hear();
    const one = await client();
    one.send(0, { address: 'a' });
    await one.hear();
    one.transfer(0, message('x'), { settled: true });
    const first = one.transfer(0, message('y'));
    const last = one.transfer(0, message('z'));
    expect(await one.heardOf(DISPOSITION)).toEqual([]);
    await broker.clock.advance(100);
    expect(await one.heardOf(DISPOSITION)).toEqual([
      { kind: DISPOSITION, role: RECEIVER, first, last, settled: true, state: { kind: ACCEPTED } },
    ]);
  });

  test('exactly once: what was published before the connection was lost is not published again', async () => {
    const listening = await client('listening');
    listening.receive(0, { address: 'once' });
    listening.credit(0, 100);
    await listening.hear();
    const target = { address: 'once', ...KEPT };
    const modes = { name: 'orders', rcvSettleMode: RCV_SECOND };
    const one = await client('shop');
    one.send(0, target, modes);
    expect(await one.heardOf(ATTACH)).toMatchObject([{ rcvSettleMode: RCV_SECOND }]);
    const tag = Uint8Array.of(7);
    one.transfer(0, message('order'), { deliveryTag: tag });
    expect(await one.heardOf(DISPOSITION)).toMatchObject([{ settled: false, state: { kind: ACCEPTED } }]);
    one.raw.cut();
    await broker.crash();

    const again = await client('shop');
    const unsettled: AmqpMap = [
      [
        { type: 'binary', value: tag },
        { type: 'null', value: null },
      ],
    ];
    again.send(0, target, { ...modes, unsettled });
    const [attach] = await again.heardOf(ATTACH);
    expect(statesOf(attach!)).toEqual([['07', 0x24n]]);
    const id = again.transfer(0, message('order'), { deliveryTag: tag, resume: true });
    expect(await again.heardOf(DISPOSITION)).toMatchObject([
      { first: id, settled: false, state: { kind: ACCEPTED } },
    ]);
    again.settle(SENDER, id, { kind: ACCEPTED });
    expect(await again.hear()).toEqual([]);
    // Once it is settled, the tag is free: what comes under it is another delivery.
    again.transfer(0, message('another'), { deliveryTag: tag });
    await again.hear();
    expect(await bodies(listening)).toEqual(['order']);
    again.raw.cut();

    const third = await client('shop');
    third.send(0, target, modes); // it knows of nothing unsettled, so nothing needs to be kept
    expect(statesOf((await third.heardOf(ATTACH))[0]!)).toEqual([]);
  });

  test('where a target is not kept, exactly once is at least once', async () => {
    const one = await client();
    one.send(0, { address: 'a' }, { rcvSettleMode: RCV_SECOND });
    expect(await one.heardOf(ATTACH)).toMatchObject([{ rcvSettleMode: RCV_FIRST }]);
  });

  test('what may not be, is rejected with its reason', async () => {
    const restricted = { principal: 'eve', unrestricted: false, validUntil: Number.POSITIVE_INFINITY };
    const allows = (_who: unknown, _client: string, _action: string, topic: string) =>
      topic.startsWith('eve/');
    broker = await startBroker({
      auth: { ...OPEN_AUTH, identify: () => Promise.resolve(restricted), allows },
    });
    const one = await client();
    one.send(0, { address: 'mallory/x' });
    expect(await conditions(one)).toEqual(['amqp:unauthorized-access']);
    one.receive(1, { address: 'mallory/#' });
    expect(await conditions(one)).toEqual(['amqp:unauthorized-access']);
    one.send(2, {});
    for (const to of ['eve/x', 'mallory/x', '$SYS/x', 'eve/#', '']) one.transfer(2, message('x', { to }));
    const states = (await one.heardOf(DISPOSITION)).flatMap(({ first, last = first, state }) =>
      Array.from({ length: last - first + 1 }, () => state!.error?.condition ?? 'accepted'),
    );
    expect(states).toEqual([
      'accepted',
      'amqp:unauthorized-access',
      'amqp:unauthorized-access',
      'amqp:invalid-field',
      'amqp:invalid-field',
    ]);
  });

  test('a full queue rejects, and an exchange that routes nowhere releases', async () => {
    broker = await startBroker({ limits: { queueMessages: 1 } });
    const one = await client();
    one.send(0, { address: 'queue://q' });
    one.send(1, { address: '/exchanges/amq.topic/nobody' });
    await one.hear();
    one.transfer(0, message('1'));
    one.transfer(0, message('2'));
    one.transfer(1, message('3'));
    expect(
      (await one.heardOf(DISPOSITION)).map(({ state }) => [state!.kind, state!.error?.condition]),
    ).toEqual([
      [ACCEPTED, undefined],
      [REJECTED, 'amqp:resource-limit-exceeded'],
      [RELEASED, undefined],
    ]);
  });
});

function statesOf({ unsettled = [] }: Attach): [string, unknown][] {
  return unsettled.map(([tag, state]) => [
    toHex(tag.value as Uint8Array),
    state.type === 'described' ? state.descriptor.value : null,
  ]);
}

describe('what a client receives', () => {
  async function publish(...all: readonly string[]): Promise<void> {
    const one = await client('publisher');
    one.send(0, { address: 'news' }, { rcvSettleMode: RCV_SECOND });
    for (const body of all) one.transfer(0, message(body));
    await one.hear();
    one.say(0, { kind: CLOSE });
    await one.hear();
  }

  test('settled by the hub, by the client at once, or by both in turn', async () => {
    const one = await client();
    one.receive(0, { address: 'news' }, { sndSettleMode: SND_SETTLED });
    one.receive(1, { address: 'news' }, { sndSettleMode: SND_UNSETTLED });
    one.receive(2, { address: 'news' }, { rcvSettleMode: RCV_SECOND });
    for (const handle of [0, 1, 2]) one.credit(handle, 10);
    await one.hear();
    await publish('x');
    const heard = await transfers(one);
    expect(heard.map(({ settled }) => settled)).toEqual([true, false, false]);
    one.settle(RECEIVER, heard[1]!.id, { kind: ACCEPTED });
    one.settle(RECEIVER, heard[2]!.id, { kind: ACCEPTED }, false);
    expect(await one.heardOf(DISPOSITION)).toMatchObject([
      { role: SENDER, first: heard[2]!.id, settled: true, state: { kind: ACCEPTED } },
    ]);
  });

  test('released and failed deliveries come again; those that are undeliverable here do not', async () => {
    const one = await client();
    one.receive(0, { address: 'news' });
    one.credit(0, 10);
    await one.hear();
    await publish('x');
    for (const [state, count] of [
      [{ kind: RELEASED }, 0],
      [{ kind: MODIFIED, deliveryFailed: true }, 1],
      [{ kind: MODIFIED, deliveryFailed: true }, 2],
    ] as const) {
      const [heard] = await transfers(one);
      one.settle(RECEIVER, heard!.id, state);
      const next = (await one.hear()).find(({ p }) => p.kind === TRANSFER)!;
      const { header } = new Sections(next.body);
      expect([header.deliveryCount, header.firstAcquirer]).toEqual([count, false]);
      one.settle(RECEIVER, (next.p as { deliveryId: number }).deliveryId, { kind: RELEASED });
    }
    const [heard] = await transfers(one);
    one.settle(RECEIVER, heard!.id, { kind: MODIFIED, undeliverableHere: true });
    expect(await bodies(one)).toEqual([]);
  });

  test('[AMQP1-2.6.13] a kept link resumes: what has an outcome is settled, what has none comes again', async () => {
    const source = { address: 'news', ...KEPT };
    const modes = { name: 'mine', rcvSettleMode: RCV_SECOND };
    const one = await client('reader');
    one.receive(0, source, modes);
    one.credit(0, 10);
    await one.hear();
    await publish('taken', 'arrived', 'lost', 'partly');
    const heard = await transfers(one);
    expect(heard.map(({ body }) => body)).toEqual(['taken', 'arrived', 'lost', 'partly']);
    one.raw.cut();
    await broker.crash();

    const again = await client('reader');
    const tagOf = (i: number): AmqpValue => ({
      type: 'binary',
      value: Buffer.from(heard[i]!.tag.replaceAll(' ', ''), 'hex'),
    });
    const stateOf = (code: number, ...fields: AmqpValue[]): AmqpValue => ({
      type: 'described',
      descriptor: { type: 'ulong', value: BigInt(code) },
      value: { type: 'list', value: fields },
    });
    again.receive(0, source, {
      ...modes,
      unsettled: [
        [tagOf(0), stateOf(ACCEPTED)],
        [tagOf(1), { type: 'null', value: null }],
        [tagOf(3), stateOf(RECEIVED, { type: 'uint', value: 0 }, { type: 'ulong', value: 9n })],
      ],
    });
    again.credit(0, 10);
    const answers = await again.hear();
    expect(statesOf(answers[0]!.p as Attach).map(([tag]) => tag)).toEqual(heard.map(({ tag }) => tag));
    const resumed = answers.flatMap(({ p, body }) =>
      p.kind === TRANSFER
        ? [[toHex(p.deliveryTag!), p.resume === true, p.settled === true, p.state?.kind, body.length > 0]]
        : [],
    );
    expect(resumed).toEqual([
      [heard[0]!.tag, true, true, ACCEPTED, false],
      [heard[1]!.tag, true, false, RECEIVED, true],
      [heard[2]!.tag, false, false, undefined, true],
      [heard[3]!.tag, true, false, RECEIVED, true],
    ]);
    for (const { p } of answers)
      if (p.kind === TRANSFER && p.settled !== true)
        again.settle(RECEIVER, p.deliveryId!, { kind: ACCEPTED });
    await again.hear();
    again.raw.cut();
    const third = await client('reader');
    third.receive(0, source, modes);
    third.credit(0, 10);
    expect(await bodies(third)).toEqual([]);
  });

  test('[AMQP1-2.7.3] what is unsettled and fits into no frame is said to be incomplete', async () => {
    const source = { address: 'news', ...KEPT };
    const one = await client('reader');
    one.receive(0, source, { name: 'mine' });
    one.credit(0, 1_000);
    await one.hear();
    await publish(...Array.from({ length: 200 }, (_, i) => String(i)));
    expect((await bodies(one)).length).toBe(200);
    one.raw.cut();
    await broker.clock.run();
    const again = new Amqp1Client(broker);
    again.raw.send(AMQP_HEADER);
    again.say(0, { kind: OPEN, containerId: 'reader', maxFrameSize: 512 });
    again.begin(0);
    again.receive(0, source, { name: 'mine' });
    const [attach] = await again.heardOf(ATTACH);
    expect(attach!.incompleteUnsettled).toBe(true);
    expect(attach!.unsettled!.length).toBeGreaterThan(5);
    again.credit(0, 1_000);
    expect((await bodies(again)).length).toBe(200);
  });

  test('[AMQP1-2.6.3] a source that is not named is the one that the link had', async () => {
    const one = await client('reader');
    one.receive(0, { address: 'news', ...KEPT }, { name: 'mine' });
    await one.hear();
    one.say(0, { kind: DETACH, handle: 0 });
    await one.hear();
    await publish('while detached');
    one.say(0, { kind: ATTACH, name: 'mine', handle: 0, role: RECEIVER });
    one.credit(0, 10);
    const heard = await one.hear();
    expect(heard[0]!.p).toMatchObject({ source: { address: 'news', durable: 2, expiryPolicy: 'never' } });
    expect(heard.slice(1).map(({ body }) => bodyOf(body))).toEqual(['while detached']);
    one.say(0, { kind: DETACH, handle: 0, closed: true });
    await one.hear();
    one.say(0, { kind: ATTACH, name: 'mine', handle: 0, role: RECEIVER });
    expect(await conditions(one)).toEqual(['amqp:not-found']);
  });

  test('[AMQP1-2.6.1] a kept link that is attached elsewhere is stolen', async () => {
    const source = { address: 'news', ...KEPT };
    const one = await client('reader');
    one.receive(0, source, { name: 'mine' });
    one.credit(0, 10);
    await one.hear();
    const two = await client('reader');
    two.receive(5, source, { name: 'mine' });
    two.credit(5, 10);
    await two.hear();
    expect(await conditions(one)).toEqual(['amqp:link:stolen']);
    await publish('x');
    expect([await bodies(one), await bodies(two)]).toEqual([[], ['x']]);
  });

  test('a terminus that is kept for a time is gone after it', async () => {
    const source = { address: 'news', durable: 2, expiryPolicy: 'link-detach', timeout: 60 };
    const comings: string[][] = [];
    for (const wait of [59_000, 61_000]) {
      const one = await client('reader');
      one.receive(0, source, { name: 'mine' });
      await one.hear();
      one.raw.cut();
      await broker.clock.advance(0);
      await publish('x');
      await broker.clock.advance(wait);
      const again = await client('reader');
      again.receive(0, source, { name: 'mine' });
      again.credit(0, 10);
      comings.push(await bodies(again));
      again.say(0, { kind: DETACH, handle: 0, closed: true });
      await again.hear();
    }
    expect(comings).toEqual([['x'], []]);
  });

  test('a queue gives back what a lost client had, to somebody else', async () => {
    const [one, two] = [await client('one'), await client('two')];
    one.receive(0, { address: 'queue://q' });
    one.credit(0, 10);
    one.send(1, { address: 'queue://q' });
    await one.hear();
    one.transfer(1, message('job'));
    expect(await bodies(one)).toEqual(['job']);
    two.receive(0, { address: '/queues/q' });
    two.credit(0, 10);
    expect(await bodies(two)).toEqual([]);
    one.raw.cut();
    await broker.clock.run();
    const [job] = (await two.hear()).filter(({ p }) => p.kind === TRANSFER);
    expect([bodyOf(job!.body), new Sections(job!.body).header.deliveryCount]).toEqual(['job', 1]);
  });

  test('a dynamic node is for its connection alone', async () => {
    const [one, two] = [await client('one'), await client('two')];
    one.receive(0, { dynamic: true });
    const [attach] = await one.heardOf(ATTACH);
    const address = attach!.source!.address!;
    expect(address).toMatch(/^queue:\/\/wm-/);
    two.receive(0, { address });
    expect(await conditions(two)).toEqual(['amqp:resource-locked']);
    one.say(0, { kind: DETACH, handle: 0, closed: true });
    await one.hear();
    two.send(1, { address });
    two.transfer(1, message('late'));
    expect(await two.heardOf(DISPOSITION)).toMatchObject([{ state: { kind: ACCEPTED } }]);
  });

  test('a dynamic topic is one that only those know who were told, by either end', async () => {
    const one = await client();
    one.send(1, { dynamic: true, capabilities: ['temporary-topic'] });
    const [attach] = await one.heardOf(ATTACH);
    const address = attach!.target!.address!;
    expect(address).toMatch(/^topic:\/\/wm-[0-9a-f]{32}$/);
    one.receive(2, { address });
    one.credit(2, 10);
    one.receive(3, { dynamic: true, capabilities: ['temporary-topic'] });
    one.credit(3, 10);
    const others = await one.heardOf(ATTACH);
    expect(others[1]!.source!.address).toMatch(/^topic:/);
    one.transfer(1, message('x'));
    one.send(4, { address: others[1]!.source!.address! });
    one.transfer(4, message('y'));
    expect(await bodies(one)).toEqual(['x', 'y']);
  });

  test('[AMQP1-3.5.4] a copy shows what waits in a queue, and takes nothing, whatever is answered', async () => {
    const one = await client();
    one.send(0, { address: 'queue://q' });
    for (const body of ['1', '2', '3']) one.transfer(0, message(body));
    one.receive(1, { address: 'queue://q', distributionMode: 'copy' }, { sndSettleMode: SND_UNSETTLED });
    one.credit(1, 2);
    const shown = await transfers(one);
    expect(shown.map(({ body, settled }) => [body, settled])).toEqual([
      ['1', false],
      ['2', false],
    ]);
    one.settle(RECEIVER, shown[0]!.id, { kind: ACCEPTED });
    one.settle(RECEIVER, shown[1]!.id, { kind: REJECTED });
    one.transfer(0, message('4'));
    one.credit(1, 10, { deliveryCount: 2, drain: true });
    const heard = await one.hear();
    const seen = heard.flatMap(({ p, body }) => (p.kind === TRANSFER ? [bodyOf(body)] : []));
    const drained = heard.some(({ p }) => p.kind === FLOW && p.drain === true && p.linkCredit === 0);
    expect([seen, drained]).toEqual([['3', '4'], true]);
    one.receive(2, { address: 'queue://q', distributionMode: 'copy' }, { sndSettleMode: SND_SETTLED });
    one.receive(3, { address: 'queue://q' });
    one.credit(2, 10);
    one.credit(3, 10);
    expect(await bodies(one)).toEqual(['1', '2', '3', '4', '1', '2', '3', '4']);
  });

  test('a handle that is in use ends the session, and the connection goes on', async () => {
    const one = await client();
    one.receive(0, { address: 'news' });
    one.receive(0, { address: 'news' });
    expect(await conditions(one)).toEqual(['amqp:session:handle-in-use']);
    one.say(0, { kind: END });
    one.begin(0);
    one.receive(0, { address: 'news' });
    one.credit(0, 1);
    await one.hear();
    await publish('x');
    expect(await bodies(one)).toEqual(['x']);
  });

  test('a disposition of 2^32 deliveries costs no more than there are', async () => {
    const one = await client();
    one.receive(0, { address: 'news' });
    one.credit(0, 10);
    await one.hear();
    await publish('x', 'y');
    expect(await bodies(one)).toEqual(['x', 'y']);
    one.settle(RECEIVER, 0, { kind: ACCEPTED }, true, 0xffff_ffff);
    one.settle(SENDER, 0, { kind: ACCEPTED }, true, 0xffff_ffff);
    expect(await one.hear()).toEqual([]);
  });
});

test('the octets that a publisher wrote are the octets that a receiver gets, through the store too', async () => {
  // Longer forms than are needed, which no encoder of ours writes: a ulong descriptor, a list32, a uint of 5 octets, a vbin32.
  const odd = octets(
    '00 80 00 00 00 00 00 00 00 73 d0 00 00 00 0d 00 00 00 01 80 00 00 00 00 00 00 00 07 ' +
      "00 53 74 d1 00 00 00 0f 00 00 00 02 b1 00 00 00 01 'n' 70 00 00 00 01 " +
      "00 53 75 b0 00 00 00 03 'abc' 00 53 78 c1 07 02 a3 01 'k' a1 01 'v'",
  );
  const one = await client('reader');
  one.receive(0, { address: 'odd', ...KEPT }, { name: 'mine' });
  one.send(1, { address: 'odd' });
  await one.hear();
  one.transfer(1, odd);
  expect(await one.heardOf(DISPOSITION)).toMatchObject([{ state: { kind: ACCEPTED } }]);
  one.raw.cut();
  await broker.crash();
  const again = await client('reader');
  again.receive(0, { address: 'odd', ...KEPT }, { name: 'mine' });
  again.credit(0, 1);
  const { body } = (await again.hear()).find(({ p }) => p.kind === TRANSFER)!;
  expect(toHex(body).endsWith(toHex(odd))).toBe(true);
});
