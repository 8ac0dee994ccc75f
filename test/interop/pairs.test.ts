// Every protocol to every other, with the fast lane and without: what survives the crossing, and what is lost.

import { describe, expect, test } from 'vitest';
import type { Qos } from '../../src/contract/message.ts';
import { type Broker, startBroker, toHex } from '../network.ts';
import { type Ability, type Heard, PROTOCOLS, type Said, type Sent, type Speaker } from './speakers.ts';

const NAMES = Object.keys(PROTOCOLS);
const PAIRS = NAMES.flatMap((from) => NAMES.map((to) => [from, to] as const));

const text = (s: string): Uint8Array => new TextEncoder().encode(s);

const EVERYTHING: Said = {
  contentType: 'application/json',
  text: true,
  responseTopic: 'answers/here',
  correlation: '00 ff 10',
  user: [
    ['b', '2'],
    ['a', '1'],
    ['b', '3'],
  ],
};

interface Stage {
  readonly broker: Broker;
  readonly source: Ability;
  readonly target: Ability;
  readonly publisher: Speaker;
  readonly subscriber: Speaker;
}

async function stage(from: string, to: string, lane: boolean): Promise<Stage> {
  const broker = await startBroker({ lane, mqtt: { lane } });
  const source = PROTOCOLS[from]!;
  const target = PROTOCOLS[to]!;
  const publisher = await source.open(broker, 'publisher');
  const subscriber = await target.open(broker, 'subscriber');
  return { broker, source, target, publisher, subscriber };
}

function message(parts: Partial<Sent> = {}): Sent {
  return { topic: 'room/1/heat', payload: text('21.5'), qos: 0, retain: false, said: {}, ...parts };
}

function only(said: Said, ...words: (readonly (keyof Said)[])[]): Said {
  return Object.fromEntries(
    Object.entries(said).filter(([word]) => words.every((list) => list.includes(word as keyof Said))),
  );
}

/** What the target hears of `m`; `qos` undefined where its answer to a subscription brings it. */
function expected(s: Stage, m: Sent, granted: Qos, retained: boolean): Heard {
  const { source, target } = s;
  const answer = retained && !target.tellsRetained;
  return {
    topic: target.tellsTopic ? m.topic : undefined,
    payload: toHex(m.payload),
    qos: answer || target.tellsQos === false ? undefined : (Math.min(m.qos, granted, target.maxQos) as Qos),
    retained: target.tellsRetained ? retained : undefined,
    said: only(m.said, source.says, target.hears),
  };
}

describe.each([
  ['on', true],
  ['off', false],
] as const)('fast lane %s', (_name, lane) => {
  test.each(PAIRS)('%s to %s: payload and QoS', async (from, to) => {
    const s = await stage(from, to, lane);
    await s.subscriber.subscribe('room/1/heat', 2);
    await s.subscriber.heard();
    const payloads = [
      text('21.5'),
      Uint8Array.of(0, 0xff, 0x80, 0xc3),
      text('Wärme \u{1f321}'),
      text('x'.repeat(3_000)),
    ];
    for (const qos of [0, 1, 2] as const) {
      if (qos > s.source.maxQos) continue;
      for (const payload of payloads) {
        const m = message({ qos, payload });
        await s.publisher.publish(m);
        expect(await s.subscriber.heard()).toEqual([expected(s, m, 2, false)]);
      }
    }
  });

  test.each(PAIRS)('%s to %s: the grant lowers the QoS', async (from, to) => {
    const s = await stage(from, to, lane);
    await s.subscriber.subscribe('room/1/heat', 0);
    await s.subscriber.heard();
    const m = message({ qos: 1 });
    await s.publisher.publish(m);
    expect(await s.subscriber.heard()).toEqual([expected(s, m, 0, false)]);
  });

  test.each(PAIRS)('%s to %s: properties', async (from, to) => {
    const s = await stage(from, to, lane);
    await s.subscriber.subscribe('room/1/heat', 1);
    await s.subscriber.heard();
    const m = message({ payload: text('{"t":21}'), said: only(EVERYTHING, s.source.says) });
    await s.publisher.publish(m);
    expect(await s.subscriber.heard()).toEqual([expected(s, m, 1, false)]);
  });

  test.each(PAIRS)('%s to %s: retained, replaced, cleared', async (from, to) => {
    const s = await stage(from, to, lane);
    const m = message({ payload: text('2'), retain: true, qos: 1, said: only(EVERYTHING, s.source.says) });
    await s.publisher.publish({ ...m, payload: text('1') });
    await s.publisher.publish(m);
    await s.subscriber.subscribe('room/1/heat', 1);
    expect(await s.subscriber.heard()).toEqual([expected(s, m, 1, true)]);

    await s.publisher.publish(message({ payload: new Uint8Array(), retain: true }));
    const late = await s.target.open(s.broker, 'late');
    await late.subscribe('room/1/heat', 1);
    expect(await late.heard()).toEqual([]);
  });

  const EXPIRING = PAIRS.filter(([from]) => PROTOCOLS[from]!.says.includes('expiryMs'));
  test.each(EXPIRING)('%s to %s: what is left of the expiry', async (from, to) => {
    const s = await stage(from, to, lane);
    const m = message({ retain: true, qos: 1, said: { expiryMs: 10_000 } });
    await s.publisher.publish(m);
    await s.broker.clock.advance(4_000);
    await s.subscriber.subscribe('room/1/heat', 1);
    const left = { ...m, said: { expiryMs: 6_000 } };
    expect(await s.subscriber.heard()).toEqual([expected(s, left, 1, true)]);

    await s.broker.clock.advance(6_001);
    const late = await s.target.open(s.broker, 'late');
    await late.subscribe('room/1/heat', 1);
    expect(await late.heard()).toEqual([]);
  });

  test.each(PAIRS)('%s to %s: wildcards', async (from, to) => {
    const s = await stage(from, to, lane);
    await s.subscriber.subscribe('room/+/heat', 0);
    await s.subscriber.heard();
    await s.publisher.publish(message({ topic: 'room/2/cold' }));
    const m = message({ topic: 'room/2/heat' });
    await s.publisher.publish(m);
    expect(await s.subscriber.heard()).toEqual([expected(s, m, 0, false)]);
  });

  test.each(NAMES)('%s: one message reaches every protocol at once', async (from) => {
    const broker = await startBroker({ lane, mqtt: { lane } });
    const publisher = await PROTOCOLS[from]!.open(broker, 'publisher');
    const subscribers: Speaker[] = [];
    for (const name of [...NAMES, ...NAMES]) {
      const subscriber = await PROTOCOLS[name]!.open(broker, `subscriber ${subscribers.length}`);
      await subscriber.subscribe('room/1/heat', 1);
      await subscriber.heard();
      subscribers.push(subscriber);
    }
    await publisher.publish(message({ qos: 1 }));
    for (const subscriber of subscribers) {
      expect((await subscriber.heard()).map((h) => [h.payload, h.qos ?? 1])).toEqual([
        [toHex(text('21.5')), 1],
      ]);
    }
  });

  test.each(PAIRS)('%s and %s share a group: each message goes to one of them', async (one, other) => {
    const broker = await startBroker({ lane, mqtt: { lane } });
    const members: Speaker[] = [];
    for (const name of [one, other]) {
      const member = await PROTOCOLS[name]!.open(broker, `member ${members.length}`);
      await member.subscribe('$share/g/room/+/heat', 1);
      await member.heard();
      members.push(member);
    }
    const publisher = await PROTOCOLS['mqtt 5']!.open(broker, 'publisher');
    const heard: string[][] = [[], []];
    for (let i = 0; i < 10; i++) {
      await publisher.publish(message({ qos: 1, payload: text(String(i)) }));
      for (const [at, member] of members.entries())
        heard[at]!.push(...(await member.heard()).map((h) => h.payload));
    }
    expect(heard.flat().toSorted()).toEqual(Array.from({ length: 10 }, (_, i) => toHex(text(String(i)))));
    expect(heard.every((share) => share.length > 0)).toBe(true);
  });
});
