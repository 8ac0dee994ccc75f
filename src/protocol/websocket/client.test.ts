// The client's side of `waymeet.v1` against the hub's, in both forms: guarantees, refusals, endings.

import { describe, expect, test } from 'vitest';
import { type Broker, OPEN, startBroker } from '../../../test/network.ts';
import { speakerOptions } from '../../../test/speaker-options.ts';
import { Message, NEVER, type Qos } from '../../contract/message.ts';
import type { Delivery, Opened, Refusal, Speaker, SpeakerOptions, Speech } from '../../contract/speaker.ts';
import { WAYMEET_CBOR, WAYMEET_JSON } from './client.ts';

/** A speaker and everything that it told. */
interface Spoken {
  readonly speaker: Speaker;
  opened: Opened | undefined;
  readonly delivered: Delivery[];
  readonly ended: (Refusal | undefined)[];
  cut(): void;
  closed(): boolean;
}

function speak(broker: Broker, speech: Speech, options: Partial<SpeakerOptions> = {}): Spoken {
  const { wire } = broker.connect({ protocol: 'waymeet.v1' });
  const delivered: Delivery[] = [];
  const ended: (Refusal | undefined)[] = [];
  const spoken: { opened: Opened | undefined } = { opened: undefined };
  const speaker = speech.open(wire, speakerOptions(broker.clock, { port: 8080, ...options }), {
    opened: (how) => {
      spoken.opened = how;
    },
    delivered: (d) => delivered.push(d),
    ended: (why) => ended.push(why),
  });
  wire.peer = speaker;
  return Object.assign(spoken, {
    speaker,
    delivered,
    ended,
    cut: () => wire.cut(),
    closed: () => wire.closed,
  });
}

function message(
  topic: string,
  payload: string,
  qos: Qos,
  more: { retain?: boolean; expiresAt?: number } = {},
) {
  const origin = { protocol: 'test', client: '', principal: '' };
  const octets = new TextEncoder().encode(payload);
  const { retain = false, expiresAt = NEVER } = more;
  return new Message(topic, octets, qos, retain, origin, 0, expiresAt, { text: true });
}

const textOf = (d: Delivery) => Buffer.from(d.message.payload).toString();

describe.each([WAYMEET_JSON, WAYMEET_CBOR])('$name', (speech) => {
  test('what is asked before the welcome happens after it, in order', async () => {
    const broker = await startBroker();
    const c = speak(broker, speech, { clientId: 'me' });
    const answers: unknown[] = [];
    expect(c.speaker.room).toBe(0);
    c.speaker.subscribe('a/+', 2, (granted) => answers.push(granted));
    for (const qos of [0, 1, 2] as const)
      c.speaker.publish(message('a/b', `${qos}`, qos), (why) => answers.push(why ?? `done ${qos}`));
    await broker.clock.run();
    expect(c.opened).toMatchObject({ clientId: 'me', resumed: false });
    expect(answers).toEqual(['done 0', 2, 'done 1', 'done 2']);
    expect(c.delivered.map((d) => [textOf(d), d.message.qos, d.id !== 0])).toEqual([
      ['0', 0, false],
      ['1', 1, true],
      ['2', 2, true],
    ]);
    expect(c.speaker.room).toBe(1_024);
    for (const d of c.delivered) if (d.id !== 0) c.speaker.settle(d.id, 'ok');
    await broker.clock.run();
    expect(broker.hub.stats.unsettled).toBe(0);
    c.speaker.unsubscribe('a/+', (why) => answers.push(why));
    await broker.clock.run();
    expect([answers.at(-1), broker.hub.stats.subscriptions]).toEqual([undefined, 0]);
  });

  test('properties, expiry and retained messages cross', async () => {
    const broker = await startBroker();
    const c = speak(broker, speech);
    const meta = {
      contentType: 'application/json',
      responseTopic: 'r',
      correlation: Uint8Array.of(0, 255),
      messageId: 5n,
      user: [
        { name: 'a', value: 'x' },
        { name: 'a', value: -7n },
      ],
    };
    const expiresAt = broker.clock.now + 10_000;
    const octets = Uint8Array.of(0xff, 0xfe);
    const said = new Message('a', octets, 1, true, message('a', '', 0).origin, 0, expiresAt, meta);
    c.speaker.publish(said, () => {});
    c.speaker.subscribe('a', 1, () => {});
    await broker.clock.run();
    const [d] = c.delivered;
    expect([d!.retained, d!.message.payload, d!.message.expiresAt, d!.message.meta]).toEqual([
      true,
      octets,
      expiresAt,
      meta,
    ]);
  });

  test('the window holds publishes back, and the receive window holds deliveries back', async () => {
    const broker = await startBroker({ limits: { receiveMaximum: 2 }, commitMs: 10 });
    const c = speak(broker, speech, { receiveMaximum: 2, clientId: 'c', sessionExpiryMs: 60_000 });
    await broker.clock.advance(500);
    c.speaker.subscribe('a', 1, () => {});
    await broker.clock.advance(500);
    let published = 0;
    for (let i = 0; i < 5; i++) c.speaker.publish(message('a', `${i}`, 1), () => published++);
    expect(c.speaker.room).toBe(0);
    await broker.clock.advance(1_000);
    expect([published, c.delivered.length]).toEqual([5, 2]);
    for (let i = 0; i < 5; i++) {
      c.speaker.settle(c.delivered[i]!.id, 'ok');
      await broker.clock.advance(500);
    }
    expect(c.delivered.map(textOf)).toEqual(['0', '1', '2', '3', '4']);
  });

  test('a session: what was not settled comes again; exactly once by tag and memory', async () => {
    const broker = await startBroker();
    const inbound = new Set<number>();
    const released: number[] = [];
    const memory = {
      released: (tag: number) => released.push(tag),
      inbound,
      kept: (then: () => void) => then(),
    };
    const session = { clientId: 'c', clean: false, sessionExpiryMs: 60_000, memory };
    const first = speak(broker, speech, session);
    first.speaker.subscribe('a', 2, () => {});
    await broker.clock.run();
    first.speaker.publish(message('a', 'x', 2), () => {}, { tag: 3, stage: 'new' });
    await broker.clock.run();
    expect([released, first.delivered.map(textOf)]).toEqual([[3], ['x']]);
    first.speaker.settle(first.delivered[0]!.id, 'ok');
    first.cut(); // `received` never leaves
    await broker.clock.run();
    expect(first.ended).toMatchObject([{ outcome: 'unavailable' }]);

    const second = speak(broker, speech, session);
    const answers: unknown[] = [];
    second.speaker.publish(message('a', 'x', 2), (why) => answers.push(why), { tag: 3, stage: 'released' });
    await broker.clock.run();
    expect(second.opened).toMatchObject({ resumed: true });
    expect([answers, second.delivered, inbound.size]).toEqual([[undefined], [], 0]);
    expect(broker.hub.stats.unsettled).toBe(0);
  });

  test('given back to a queue, and refused', async () => {
    const broker = await startBroker();
    const c = speak(broker, speech);
    c.speaker.publish(message('$queue/jobs', 'job', 1), () => {});
    c.speaker.subscribe('$queue/jobs', 1, () => {});
    await broker.clock.run();
    c.speaker.settle(c.delivered[0]!.id, 'busy');
    await broker.clock.run();
    expect(c.delivered).toHaveLength(2);
    c.speaker.settle(c.delivered[1]!.id, 'payload-invalid');
    await broker.clock.run();
    expect([c.delivered.length, broker.hub.stats.unsettled]).toEqual([2, 0]);
  });

  test('refusals of single calls, in our words', async () => {
    const broker = await startBroker();
    const c = speak(broker, speech);
    const answers: unknown[] = [];
    c.speaker.publish(message('$SYS/x', '', 1), (why) => answers.push(why));
    c.speaker.subscribe('a/#/b', 1, (why) => answers.push(why));
    c.speaker.unsubscribe('never', (why) => answers.push(why));
    await broker.clock.run();
    expect(answers).toMatchObject([
      { outcome: 'not-authorized' },
      { outcome: 'filter-invalid' },
      { outcome: 'no-subscription' },
    ]);
  });

  test('the login is refused: everything is, then it ends', async () => {
    const auth = { ...OPEN, identify: () => Promise.resolve('bad-credentials' as const) };
    const broker = await startBroker({ auth });
    const c = speak(broker, speech, { username: 'u', password: new TextEncoder().encode('p') });
    const answers: unknown[] = [];
    c.speaker.publish(message('a', 'x', 1), (why) => answers.push(why));
    await broker.clock.run();
    const why = { outcome: 'bad-credentials', reason: 'the user name or password is wrong', code: 0 };
    expect([answers, c.ended, c.opened]).toEqual([[why], [why], undefined]);
    c.speaker.publish(message('a', 'x', 0), (late) => answers.push(late));
    expect(answers).toEqual([why, why]);
  });

  test('goodbye, and a will for who does not say it', async () => {
    const broker = await startBroker();
    const watcher = speak(broker, speech);
    watcher.speaker.subscribe('will', 1, () => {});
    for (const polite of [true, false]) {
      const will = { message: message('will', `polite ${polite}`, 1), delayMs: 0 };
      const c = speak(broker, speech, { will });
      await broker.clock.run();
      if (polite) c.speaker.close();
      else c.cut();
      await broker.clock.run();
      expect(c.ended).toEqual(polite ? [undefined] : [expect.objectContaining({ outcome: 'unavailable' })]);
    }
    expect(watcher.delivered.map(textOf)).toEqual(['polite false']);
  });

  test('it pings as it promised, and gives a silent hub up', async () => {
    const broker = await startBroker();
    const c = speak(broker, speech, { keepAliveMs: 10_000 });
    await broker.clock.advance(100_000);
    expect(c.closed()).toBe(false);
    const deaf = speak(broker, speech, { keepAliveMs: 10_000 });
    await broker.clock.advance(0);
    deaf.speaker.receive = (_bytes, _start, end) => end; // nothing is heard any more
    await broker.clock.advance(25_000);
    expect(deaf.ended).toMatchObject([{ outcome: 'idle' }]);
  });

  test('who publishes without answers asks whether the hub is there', async () => {
    const broker = await startBroker();
    const c = speak(broker, speech, { keepAliveMs: 10_000 });
    for (let i = 0; i < 20; i++) {
      c.speaker.publish(message('a', `${i}`, 0), () => {});
      await broker.clock.advance(4_000);
    }
    expect(c.ended).toEqual([]);
  });

  test('a hub that talks nonsense', async () => {
    const broker = await startBroker();
    const c = speak(broker, speech);
    await broker.clock.run();
    expect(() => c.speaker.receive(Buffer.from('{"type":"sing"}'), 0, 15, 0)).toThrow('type is none of');
  });
});
