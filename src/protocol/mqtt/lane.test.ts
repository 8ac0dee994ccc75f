// The fast lane means the same as the long way: whoever listens gets the same, whatever the octets' cuts and the lane's switch.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { connectPacket, MqttClient, publishPacket } from '../../../test/mqtt-client.ts';
import { startBroker } from '../../../test/network.ts';
import type { Qos } from '../../contract/message.ts';
import { encodePacket } from './encode.ts';
import {
  type Level,
  type Packet,
  type Properties,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  SUBSCRIBE,
} from './packet.ts';

interface Sent {
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly size: number;
  readonly properties: number;
}

const PROPERTIES: Properties[] = [
  {},
  { contentType: 'a/b' },
  { userProperty: [['k', 'v']] },
  { messageExpiryInterval: 50 },
  { topicAlias: 1 },
];

const sentOnce = fc.record<Sent>({
  topic: fc.constantFrom('a', 'a', 'a', 'a/b', 'b', 'c/ä', 'nobody'),
  qos: fc.constantFrom<Qos>(0, 0, 1, 1, 2),
  retain: fc.constantFrom(false, false, false, false, true),
  size: fc.constantFrom(0, 1, 20, 20, 150, 9_000, 20_000),
  properties: fc.constantFrom(0, 0, 0, 1, 2, 3, 4),
});

const script = fc.record({
  sent: fc.array(sentOnce, { minLength: 1, maxLength: 40 }),
  level: fc.constantFrom<Level>(3, 4, 5),
  receivers: fc.array(
    fc.record({
      level: fc.constantFrom<Level>(4, 5),
      filter: fc.constantFrom('a', '#', '+', 'a/+', 'b'),
      qos: fc.constantFrom<Qos>(0, 1, 2),
      identifier: fc.constantFrom(0, 0, 0, 300),
      clean: fc.constantFrom(true, true, false),
      window: fc.constantFrom(undefined, 1, 3),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  chunk: fc.constantFrom(Number.POSITIVE_INFINITY, 1_000, 37),
});

type Script = typeof script extends fc.Arbitrary<infer T> ? T : never;

/** What each receiver got, in order, and how the publisher's packets were answered. */
async function play(s: Script, lane: boolean): Promise<unknown> {
  const broker = await startBroker({
    mqtt: { lane },
    link: { chunk: s.chunk, windowBytes: 4_194_304, fullBytes: 4_194_304 },
  });
  const publisher = new MqttClient(broker, s.level);
  await publisher.connect('p');
  const receivers: MqttClient[] = [];
  for (const [i, r] of s.receivers.entries()) {
    const client = new MqttClient(broker, r.level);
    const properties = r.window === undefined ? {} : { receiveMaximum: r.window };
    client.send(connectPacket(r.level, `r${i}`, { clean: r.clean, properties }));
    const entry = {
      filter: r.filter,
      qos: r.qos,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    };
    const own = r.identifier === 0 ? {} : { subscriptionIdentifier: [r.identifier] };
    client.send({ type: SUBSCRIBE, id: 1, entries: [entry as never], properties: own });
    await client.settled();
    receivers.push(client);
  }
  const frames = s.sent.map((m, i) => {
    const alias = m.properties === 4 && s.level !== 5;
    const properties = alias ? {} : PROPERTIES[m.properties]!;
    const payload = new Uint8Array(m.size).fill(i);
    const id = m.qos === 0 ? 0 : i + 1;
    const p = publishPacket(m.topic, payload, { qos: m.qos, retain: m.retain, id, properties });
    return encodePacket(p, s.level);
  });
  publisher.raw.send(Buffer.concat(frames));
  const answers = await publisher.settled();
  const got: string[][] = [];
  for (const client of receivers) got.push(await drain(client));
  await broker.stop();
  return { answers: answers.map(brief), got };
}

/** Answers everything until nothing comes any more. Packet ids are left out: they are the lane's to choose. */
async function drain(client: MqttClient): Promise<string[]> {
  const got: string[] = [];
  const inFlight = new Set<number>();
  for (;;) {
    const packets = await client.settled();
    const replies: Packet[] = [];
    for (const p of packets) {
      if (p.type === PUBLISH) {
        got.push(
          `${p.topic} ${p.qos} ${p.dup} ${p.retain} ${p.payload.length}:${p.payload[0]} ${JSON.stringify(p.properties)}`,
        );
        if (p.qos > 0) {
          expect(inFlight.has(p.id), `packet id ${p.id} is in use`).toBe(false);
          inFlight.add(p.id);
          replies.push({ type: p.qos === 1 ? PUBACK : PUBREC, id: p.id, code: 0, properties: {} });
          if (p.qos === 1) inFlight.delete(p.id);
        }
      } else if (p.type === PUBREL) {
        expect([inFlight.delete(p.id), p.code]).toEqual([true, 0]);
        replies.push({ type: PUBCOMP, id: p.id, code: 0, properties: {} });
      }
    }
    if (replies.length === 0) return got;
    client.send(...replies);
  }
}

function brief(p: Packet): string {
  return 'id' in p ? `${p.type} ${p.id} ${'code' in p ? p.code : ''}` : `${p.type}`;
}

test('law: the lane changes nothing that a client can see', async () => {
  const law = fc.asyncProperty(script, async (s) => {
    const long = await play({ ...s, chunk: Number.POSITIVE_INFINITY }, false);
    expect(await play(s, true)).toEqual(long);
  });
  await fc.assert(law, {
    seed: Number(process.env.FUZZ_SEED ?? 1),
    numRuns: Number(process.env.FUZZ_RUNS ?? 40),
  });
}, 120_000);
