// Laws of every client room (house style 22): octets however they are cut mean the same, noise ends one connection in order, and whenever
// something is ended the other side finds nothing wrong with it.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SCHEMES } from '../../src/client/scheme.ts';
import { Message, NEVER, type Qos } from '../../src/contract/message.ts';
import type { Delivery, Refusal, Speaker, Speech } from '../../src/contract/speaker.ts';
import type { MemoryWire } from '../../src/transport/memory.ts';
import { seeded } from '../../src/transport/virtual-clock.ts';
import { fuzz } from '../arbitrary/mqtt.ts';
import { type Broker, type ConnectOptions, startBroker } from '../network.ts';

/** Scheme, the protocol of the broker's listener, and settings. */
const ROOMS: [title: string, scheme: string, protocol: string, settings: Record<string, string>][] = [
  ['MQTT 3.1.1', 'mqtt:', 'mqtt', { version: '3.1.1' }],
  ['MQTT 5', 'mqtt:', 'mqtt', {}],
  ['STOMP', 'stomp:', 'stomp', {}],
  ['AMQP 0-9-1', 'amqp091:', 'amqp091', {}],
  ['AMQP 1.0', 'amqp:', 'amqp1', {}],
  ['XMPP', 'xmpp:', 'xmpp', {}],
  ['CoAP over TCP', 'coap+tcp:', 'coap+tcp', {}],
  ['JSON', 'json+ws:', 'waymeet.v1', {}],
];

const NOBODY = { protocol: '', client: '', principal: '' };
const octets = (text: string): Uint8Array => new TextEncoder().encode(text);

/** One speaker on one wire, and all that it is told. */
class Talk {
  readonly speaker: Speaker;
  readonly deliveries: Delivery[] = [];
  readonly endings: (Refusal | undefined)[] = [];
  /** What came from the other side, piece by piece. */
  readonly heard: Uint8Array[] = [];
  asked = 0;
  answered = 0;
  readonly refused: Refusal[] = [];
  private readonly now: () => number;

  constructor(
    speech: Speech,
    wire: MemoryWire,
    settings: Record<string, string>,
    now: () => number,
    clientId = 'law',
  ) {
    this.now = now;
    const random = seeded(5);
    const options = {
      ...{
        host: 'hub',
        port: 0,
        path: '/',
        settings,
        clientId,
        username: undefined,
        password: undefined,
      },
      ...{ clean: true, sessionExpiryMs: 0, keepAliveMs: 0, will: undefined, receiveMaximum: 3 },
      // The same in every run: what a server said once is understood again.
      random: (length: number) => Uint8Array.from({ length }, () => Math.floor(random() * 256)),
      now,
    };
    this.speaker = speech.open(wire, options, {
      opened: () => {},
      delivered: (d) => this.deliveries.push(d),
      ended: (why) => this.endings.push(why),
    });
    const { speaker, heard } = this;
    wire.peer = {
      receive(bytes, start, end, at) {
        heard.push(bytes.slice(start, end));
        return speaker.receive(bytes, start, end, at);
      },
      drained: (at) => speaker.drained(at),
      wake: (at) => speaker.wake(at),
      broken: (why, at) => speaker.broken(why, at),
      lost: (at) => speaker.lost(at),
    };
  }

  publish(topic: string, payload: string): void {
    this.asked++;
    const m = new Message(topic, octets(payload), 1, false, NOBODY, this.now(), NEVER, undefined);
    this.speaker.publish(m, (why) => this.answer(why));
  }

  subscribe(filter: string): void {
    this.asked++;
    this.speaker.subscribe(filter, 1, (granted: Qos | Refusal) =>
      this.answer(typeof granted === 'number' ? undefined : granted),
    );
  }

  unsubscribe(filter: string): void {
    this.asked++;
    this.speaker.unsubscribe(filter, (why) => this.answer(why));
  }

  /** `count` of the deliveries that wait, the last ones first: the order is the caller's. */
  settle(count: number, outcome: 'ok' | 'busy' = 'ok'): void {
    for (const d of this.deliveries.splice(-count)) if (d.id !== 0) this.speaker.settle(d.id, outcome);
  }

  private answer(why: Refusal | undefined): void {
    this.answered++;
    if (why !== undefined) this.refused.push(why);
  }
}

function joined(
  broker: Broker,
  speech: Speech,
  protocol: string,
  settings: Record<string, string>,
  o: ConnectOptions,
  clientId?: string,
) {
  const { wire } = broker.connect({ protocol, ...o });
  return new Talk(speech, wire, settings, () => broker.clock.now, clientId);
}

const SENT = ['', 'b', 'x'.repeat(300), 'ü<&>\0', '5', 'y'.repeat(9_000)];

/** A usual conversation; what arrived in it. */
async function conversation(
  speech: Speech,
  protocol: string,
  settings: Record<string, string>,
  link: ConnectOptions['link'],
  seed?: number,
): Promise<Talk> {
  const broker = await startBroker(seed === undefined ? {} : { seed });
  const talk = joined(broker, speech, protocol, settings, link === undefined ? {} : { link });
  talk.subscribe('law/+');
  await broker.clock.advance(100);
  for (const [i, payload] of SENT.entries()) {
    talk.publish(`law/${i}`, payload);
    await broker.clock.advance(100);
    for (const d of talk.deliveries) if (d.id !== 0) talk.speaker.settle(d.id, 'ok');
    await broker.clock.advance(100);
  }
  talk.unsubscribe('law/+');
  await broker.clock.advance(100);
  talk.speaker.close();
  await broker.clock.advance(5_000);
  return talk;
}

const told = (talk: Talk) =>
  talk.deliveries.map((d) => [d.message.topic, Buffer.from(d.message.payload).toString()]);

interface Mutation {
  readonly at: number;
  readonly kind: 'change' | 'insert' | 'delete' | 'repeat';
  readonly octets: Uint8Array;
}

const mutations = fc.array(
  fc.record<Mutation>({
    at: fc.nat(0xffffff),
    kind: fc.constantFrom('change', 'insert', 'delete', 'repeat'),
    octets: fc.uint8Array({ minLength: 1, maxLength: 6 }),
  }),
  { minLength: 1, maxLength: 4 },
);

function mutated(bytes: Uint8Array, changes: readonly Mutation[]): Uint8Array {
  let all = Buffer.from(bytes);
  for (const { at, kind, octets: some } of changes) {
    const from = all.length === 0 ? 0 : at % all.length;
    const rest = all.subarray(kind === 'insert' || kind === 'repeat' ? from : from + some.length);
    const middle = kind === 'delete' ? [] : kind === 'repeat' ? [all.subarray(from, from + 40)] : [some];
    all = Buffer.concat([all.subarray(0, from), ...middle, rest]);
  }
  return all;
}

describe.each(ROOMS)('%s', (_title, scheme, protocol, settings) => {
  const load = () => SCHEMES[scheme]!.load();

  test('any chunking gives the same deliveries and answers', async () => {
    const speech = await load();
    const whole = await conversation(speech, protocol, settings, undefined);
    expect(told(whole).length).toBe(SENT.length);
    expect([whole.answered, whole.refused, whole.endings]).toEqual([SENT.length + 2, [], [undefined]]);
    if (speech.carrier !== 'stream') return;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 40 }), fc.nat(), async (chunk, seed) => {
        const cut = await conversation(speech, protocol, settings, { chunk }, seed);
        expect(told(cut)).toEqual(told(whole));
        expect([cut.answered, cut.refused, cut.endings]).toEqual([whole.answered, [], [undefined]]);
      }),
      fuzz(6),
    );
  });

  test('noise ends the connection once, and every call is answered once', async () => {
    const speech = await load();
    const { heard } = await conversation(speech, protocol, settings, undefined);
    const usual = speech.carrier === 'stream' ? [Buffer.concat(heard)] : heard;
    await fc.assert(
      fc.asyncProperty(
        mutations,
        fc.nat(0xffff),
        fc.uint8Array({ maxLength: 60 }),
        async (changes, which, noise) => {
          const broker = await startBroker();
          const end = { remote: 'x', listener: '' };
          const [wire, server] = broker.network.join(speech.carrier, end, end);
          server.peer = { receive: (_, __, to) => to, drained() {}, wake() {}, broken() {}, lost() {} };
          const talk = new Talk(speech, wire, settings, () => broker.clock.now);
          talk.subscribe('law/+');
          for (const [i, payload] of SENT.entries()) talk.publish(`law/${i}`, payload);
          for (const [i, piece] of usual.entries()) {
            server.write(i === which % usual.length ? mutated(piece, changes) : piece);
            await broker.clock.advance(0);
            talk.settle(1);
          }
          server.write(noise);
          await broker.clock.advance(0);
          talk.unsubscribe('law/+');
          wire.cut();
          await broker.clock.advance(0);
          expect(talk.endings).toHaveLength(1);
          expect(talk.answered).toBe(talk.asked);
        },
      ),
      fuzz(30),
    );
  });

  test('whatever is ended at whatever moment, the other side finds nothing wrong', async () => {
    const speech = await load();
    const step = fc.record({
      afterMs: fc.nat(9),
      act: fc.constantFrom('publish', 'subscribe', 'unsubscribe', 'settle', 'give back', 'other'),
      n: fc.nat(2),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.nat(), async (steps, seed) => {
        const broker = await startBroker({ seed, commitMs: seed % 3 });
        const link = { delayMs: 2, jitterMs: 3 };
        const talk = joined(broker, speech, protocol, settings, { link });
        const other = joined(broker, speech, protocol, settings, { link }, 'other');
        const subscribed = new Set<number>();
        await broker.clock.advance(50);
        for (const { afterMs, act, n } of steps) {
          await broker.clock.advance(afterMs);
          if (act === 'publish') talk.publish(`law/${n}`, 'p');
          else if (act === 'other') for (let i = 0; i < 5; i++) other.publish(`law/${n}`, 'o');
          else if (act === 'settle') talk.settle(n + 1);
          else if (act === 'give back') talk.settle(n + 1, 'busy');
          else if (act === 'subscribe' && !subscribed.has(n)) {
            subscribed.add(n);
            talk.subscribe(`law/${n}`);
          } else if (act === 'unsubscribe' && subscribed.delete(n)) talk.unsubscribe(`law/${n}`);
        }
        talk.speaker.close();
        talk.settle(9);
        await broker.clock.advance(100);
        other.speaker.close();
        await broker.clock.advance(20_000);
        expect(talk.endings).toEqual([undefined]);
        expect(other.endings).toEqual([undefined]);
        expect(talk.answered).toBe(talk.asked);
        expect(broker.log.filter((line) => /^(?:error|warn)/.test(line))).toEqual([]);
      }),
      fuzz(25),
    );
  });
});
