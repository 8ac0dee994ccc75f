// Local transactions: publishes and answers take effect at discharge, together, or not at all.

import { beforeEach, expect, test } from 'vitest';
import { Amqp1Client } from '../../../test/amqp1-client.ts';
import { type Broker, startBroker } from '../../../test/network.ts';
import { encodeComposite } from './composite.ts';
import { encodeValue } from './encode.ts';
import {
  ACCEPTED,
  ATTACH,
  COORDINATOR,
  DECLARE,
  DECLARED,
  DETACH,
  type DeliveryState,
  DISCHARGE,
  DISPOSITION,
  END,
  RECEIVER,
  REJECTED,
  SENDER,
  TRANSACTIONAL,
  TRANSFER,
  VALUE,
} from './packet.ts';
import { Sections } from './sections.ts';

const CONTROL = 9;
const OUT = 1;
const IN = 2;

let broker: Broker;
let one: Amqp1Client;

beforeEach(async () => {
  broker = await startBroker();
  one = await new Amqp1Client(broker).open();
  const target = { kind: COORDINATOR, capabilities: ['amqp:local-transactions'] };
  one.say(0, {
    kind: ATTACH,
    name: 'control',
    handle: CONTROL,
    role: SENDER,
    target,
    initialDeliveryCount: 0,
  });
  one.send(OUT, { address: 'queue://q' });
  const [attach] = await one.heardOf(ATTACH);
  expect(attach!.target?.kind).toBe(COORDINATOR);
});

function message(body: string): Uint8Array {
  return encodeValue({
    type: 'described',
    descriptor: { type: 'ulong', value: BigInt(VALUE) },
    value: { type: 'string', value: body },
  });
}

async function control(code: number, fields: object): Promise<DeliveryState> {
  const body = Buffer.concat([Buffer.from([0, 0x53, VALUE]), encodeComposite(code, fields)]);
  const id = one.transfer(CONTROL, new Uint8Array(body));
  const answers = await one.heardOf(DISPOSITION);
  return answers.find(({ first }) => first === id)!.state!;
}

async function declare(): Promise<Uint8Array> {
  const state = await control(DECLARE, {});
  expect(state.kind).toBe(DECLARED);
  return state.txnId!;
}

const within = (txnId: Uint8Array, outcome?: DeliveryState): DeliveryState => ({
  kind: TRANSACTIONAL,
  txnId,
  ...(outcome === undefined ? {} : { outcome }),
});

/** What another client gets out of the queue now. */
async function waiting(): Promise<string[]> {
  const other = await new Amqp1Client(broker).open('other');
  other.receive(0, { address: 'queue://q' });
  other.credit(0, 100, { drain: true });
  const found = (await other.hear()).flatMap(({ p, body }) => {
    if (p.kind !== TRANSFER) return [];
    const sections = new Sections(body);
    return [String(sections.valueOf(sections.body[0]!).value)];
  });
  other.raw.cut();
  await broker.clock.run();
  return found;
}

test.each([
  [false, ['a', 'b']],
  [true, []],
])('[AMQP1-4.4.1] publishes wait for the discharge; failed: %s', async (fail, left) => {
  const txnId = await declare();
  for (const body of ['a', 'b']) one.transfer(OUT, message(body), { state: within(txnId) });
  const states = (await one.heardOf(DISPOSITION)).map(({ state, settled }) => [
    state!.kind,
    state!.outcome?.kind,
    settled,
  ]);
  expect(new Set(states.map(String))).toEqual(new Set([String([TRANSACTIONAL, ACCEPTED, true])]));
  expect(await waiting()).toEqual([]);
  expect((await control(DISCHARGE, { txnId, fail })).kind).toBe(ACCEPTED);
  expect(await waiting()).toEqual(left);
});

test.each([
  [false, []],
  [true, ['a']],
])('[AMQP1-4.4.2] answers wait for the discharge; failed: %s', async (fail, left) => {
  one.transfer(OUT, message('a'));
  one.receive(IN, { address: 'queue://q' });
  one.credit(IN, 1);
  const delivered = (await one.heardOf(TRANSFER))[0]!.deliveryId!;
  const txnId = await declare();
  one.settle(RECEIVER, delivered, within(txnId, { kind: ACCEPTED }));
  await one.hear();
  expect((await control(DISCHARGE, { txnId, fail })).kind).toBe(ACCEPTED);
  one.say(0, { kind: DETACH, handle: IN, closed: true });
  await one.hear();
  expect(await waiting()).toEqual(left);
});

test('[AMQP1-4.2] what is not discharged ends with its coordinator', async () => {
  const txnId = await declare();
  one.transfer(OUT, message('a'), { state: within(txnId) });
  one.say(0, { kind: DETACH, handle: CONTROL, closed: true });
  await one.hear();
  expect(await waiting()).toEqual([]);
  one.transfer(OUT, message('b'), { state: within(txnId) });
  expect((await one.heardOf(DETACH)).map(({ error }) => error?.condition)).toEqual([
    'amqp:transaction:unknown-id',
  ]);
});

test('a transaction that there is not', async () => {
  const txnId = Uint8Array.of(7);
  one.settle(RECEIVER, 0, within(txnId));
  expect((await one.heardOf(END)).map(({ error }) => error?.condition)).toEqual([
    'amqp:transaction:unknown-id',
  ]);
});

test('transactions are bounded in number, and together in size', async () => {
  const states: number[] = [];
  for (let i = 0; i < 65; i++) states.push((await control(DECLARE, {})).kind);
  expect(states.filter((kind) => kind === DECLARED).length).toBe(64);
  expect(states.at(-1)).toBe(REJECTED);

  const small = new Amqp1Client(broker, { limits: { maxPacketBytes: 10_000 } });
  one = await small.open('small');
  const target = { kind: COORDINATOR };
  one.say(0, {
    kind: ATTACH,
    name: 'control',
    handle: CONTROL,
    role: SENDER,
    target,
    initialDeliveryCount: 0,
  });
  one.send(OUT, { address: 'queue://q' });
  await one.hear();
  const txnId = await declare();
  for (let i = 0; i < 5; i++) one.transfer(OUT, message('x'.repeat(9_000)), { state: within(txnId) });
  await broker.clock.run();
  expect(small.raw.closed).toBe(true);
  expect(await waiting()).toEqual([]);
});
