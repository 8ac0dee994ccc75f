// The client's side of one connection: a device with a session, which publishes, subscribes and hears.

import { Message, NEVER, type Qos } from '../../contract/message.ts';
import { type Outcome, ProtocolError } from '../../contract/outcome.ts';
import type {
  Ability,
  Answer,
  Refusal,
  Speaker,
  SpeakerEvents,
  SpeakerOptions,
} from '../../contract/speaker.ts';
import { saysMore } from '../../contract/speaker.ts';
import type { Wire } from '../../contract/wire.ts';
import { Asking, type Patience, type Question, type Task } from './asking.ts';
import { decodeSn } from './decode.ts';
import { encodeSn } from './encode.ts';
import { shortTopic } from './map.ts';
import {
  ACCEPTED,
  CONGESTION,
  CONNACK,
  CONNECT,
  DISCONNECT,
  INVALID_TOPIC_ID,
  NOT_SUPPORTED,
  PINGREQ,
  PINGRESP,
  PROTOCOL_ID,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  type Publish,
  REGACK,
  REGISTER,
  type SnPacket,
  SUBACK,
  SUBSCRIBE,
  type TopicId,
  type TopicRef,
  UNSUBACK,
  UNSUBSCRIBE,
  WILLMSG,
  WILLMSGREQ,
  WILLTOPIC,
  WILLTOPICREQ,
} from './packet.ts';
import { idsOf, refusal, refusalOf, tooLarge } from './refusal.ts';
import type { PredefinedTopics, SnSettings } from './settings.ts';
import { Slumber } from './slumber.ts';

export interface SnSpeechOptions extends Partial<Patience> {
  /** Ids that the gateway knows beforehand, and the topics they stand for; the setting `predefined` adds to them. */
  readonly predefined?: PredefinedTopics;
}

const PATIENCE: Patience = { retryMs: 10_000, retries: 4 }; // [MQTTSN12-7.2]

export const SPEAKER_ABILITY: Ability = {
  publishQos: [0, 1, 2],
  subscribeQos: [0, 1, 2],
  retain: true,
  wildcards: true,
  shared: true,
  queues: true,
  sessions: true,
  wills: true,
  expiry: false,
  meta: [],
};

/** Who has said nothing for this part of its keep alive pings, so that a repetition is still in time [MQTTSN12-6.11]. */
const PING_SHARE = 0.75;
const MAX_SECONDS = 0xffff;
const NO_SETTINGS: SnSettings = { predefined: new Map(), sleepMs: 0, connects: true };
const NOBODY = { protocol: 'mqttsn', client: '', principal: '' };

/** A message that was delivered and waits to be settled: its level, and whether we have it for good. */
interface Unsettled {
  readonly qos: 1 | 2;
  readonly topicId: number;
  taken: boolean;
}

/** connecting (CONNECT until CONNACK) → open → ended. */
export class SnSpeaker implements Speaker {
  private readonly wire: Wire;
  private readonly options: SpeakerOptions;
  private readonly events: SpeakerEvents;
  private readonly asking: Asking;
  private readonly clientId: string;
  private readonly predefined: PredefinedTopics;
  private readonly slumber: Slumber;
  /** Of what we publish: by name. */
  private readonly ids: Map<string, TopicId>;
  /** Of what we hear: by registered id. */
  private readonly topics = new Map<number, string>();
  private readonly unsettled = new Map<number, Unsettled>();
  /** Calls without an answer, to be refused at the end. */
  private readonly open = new Set<(why: Refusal) => void>();
  private state: 'connecting' | 'open' | 'ended' = 'connecting';
  private why: Refusal | undefined;
  private sentAt = 0;
  private nextId = 0;

  constructor(
    wire: Wire,
    options: SpeakerOptions,
    events: SpeakerEvents,
    o: Partial<Patience>,
    said: SnSettings | string,
  ) {
    const { predefined, sleepMs } = typeof said === 'string' ? NO_SETTINGS : said;
    this.wire = wire;
    this.options = options;
    this.events = events;
    this.predefined = predefined;
    this.ids = idsOf(predefined);
    this.slumber = new Slumber(sleepMs, options.now());
    this.clientId = options.clientId === '' ? `waymeet-${hex(options.random(6))}` : options.clientId;
    this.asking = new Asking(
      (datagram) => this.send(datagram),
      { ...PATIENCE, ...o },
      () => this.end(refusal('unavailable', 'the gateway does not answer')),
    );
    if (typeof said === 'string') {
      this.end(refusal('not-supported', said));
      return;
    }
    if (saysMore(options.will)) {
      this.end(refusal('not-supported', 'MQTT-SN wills have no properties, no end and no delay'));
      return;
    }
    const keeps = options.sessionExpiryMs > 0;
    // One flag says both, forget what was and keep what comes [MQTTSN12-6.3]: for "forget, then keep" it takes two.
    if (keeps && options.clean) this.connect(true, 'forgetting');
    this.connect(!keeps, 'opening');
    this.schedule();
  }

  // ---- the connection

  private connect(clean: boolean, why: 'forgetting' | 'opening' | 'waking'): void {
    const { keepAliveMs, will } = this.options;
    const opening = why === 'opening';
    const duration = Math.min(MAX_SECONDS, Math.ceil(keepAliveMs / 1_000));
    this.ask(
      {
        packet: {
          type: CONNECT,
          will: opening && will !== undefined,
          clean,
          protocolId: PROTOCOL_ID,
          duration,
          clientId: this.clientId,
        },
        fits: (p) => p.type === CONNACK,
        answered: (p) => {
          const refused = refusalOf(p, 'the connection');
          if (refused !== undefined) this.end(refused);
          else if (opening) this.connected();
        },
      },
      undefined,
    );
    if (why !== 'forgetting') return;
    const packet = { type: DISCONNECT, duration: 0 } as const;
    this.ask({ packet, fits: (p) => p.type === DISCONNECT, answered() {} }, undefined);
  }

  private connected(): void {
    this.state = 'open';
    const { clientId } = this;
    this.events.opened({ clientId, resumed: false, ability: SPEAKER_ABILITY, server: 'MQTT-SN 1.2' });
  }

  private ask(q: Question, failed: ((why: Refusal) => void) | undefined): void {
    if (failed !== undefined) this.open.add(failed);
    this.add(() => q);
  }

  /** What a sleeper has to say wakes it up first. */
  private add(task: Task): void {
    const now = this.options.now();
    const { slumber } = this;
    if (slumber.down) {
      const { asleep } = slumber;
      slumber.rose(now);
      // CONNACK does not say whether the gateway still knows our subscriptions; an answer to PINGREQ does.
      if (asleep) this.asking.add(() => this.looking(() => {}), now);
      this.connect(false, 'waking');
    }
    this.asking.add(task, now);
  }

  // ---- sleep

  /** Nothing is under way, so that what is due of sleeping may be done. */
  private get calm(): boolean {
    return this.state === 'open' && this.asking.idle && this.unsettled.size === 0;
  }

  private sleepOrLook(now: number): void {
    const { slumber } = this;
    const next = this.calm ? slumber.next(now) : undefined;
    if (next === undefined) return;
    const fell = (): void => slumber.fell(this.options.now());
    const doze: Question = {
      packet: { type: DISCONNECT, duration: slumber.sleepMs / 1_000 },
      fits: (p) => p.type === DISCONNECT,
      answered: fell,
    };
    this.asking.add(() => (next === 'look' ? this.looking(fell) : doze), now);
  }

  private looking(answered: () => void): Question {
    const packet = { type: PINGREQ, clientId: this.clientId } as const;
    return { packet, fits: (p) => p.type === PINGRESP, answered };
  }

  get room(): number {
    if (this.state === 'ended' || this.wire.full) return 0;
    return Math.max(0, 1 - this.asking.waiting);
  }

  // ---- publishing

  publish(m: Message, answer: Answer): void {
    if (this.state === 'ended') {
      answer(this.gone());
      return;
    }
    if (tooLarge(m, this.wire)) {
      answer(refusal('too-large', `${m.payload.length} octets do not fit into a datagram`));
      return;
    }
    const done = this.owed(answer);
    this.add(() => this.publishing(m, done, 0));
    this.schedule();
  }

  /** An answer that is owed until it is given. */
  private owed(answer: Answer): Answer {
    const failed = (why: Refusal): void => answer(why);
    this.open.add(failed);
    return (why) => {
      if (this.open.delete(failed)) answer(why);
    };
  }

  /** The next step of a publish: the topic's id, then the message. */
  private publishing(m: Message, done: Answer, invalid: number): Question | undefined {
    const topic = shortTopic(m.topic) ?? this.ids.get(m.topic);
    if (topic === undefined) return this.registering(m, done, invalid);
    const { qos, retain, payload } = m;
    const id = qos === 0 ? 0 : this.newId();
    const packet: Publish = { type: PUBLISH, dup: false, qos, retain, topic, id, payload };
    if (qos === 0) {
      this.say(packet);
      done(undefined);
      return undefined;
    }
    return {
      packet,
      fits: (p) => (p.type === PUBACK || (p.type === PUBREC && qos === 2)) && p.id === id,
      answered: (p) => {
        if (p.type === PUBREC) this.asking.follow(releasing(id, done));
        else if (
          p.type === PUBACK &&
          p.code === INVALID_TOPIC_ID &&
          invalid === 0 &&
          topic.kind !== 'short'
        ) {
          // It has forgotten the id, or never knew it: once more, with a new one [MQTTSN12-6.6].
          this.ids.delete(m.topic);
          const question = this.publishing(m, done, 1);
          if (question !== undefined) this.asking.follow(question);
        } else done(refusalOf(p, m.topic));
      },
    };
  }

  private registering(m: Message, done: Answer, invalid: number): Question {
    const id = this.newId();
    return {
      packet: { type: REGISTER, topicId: 0, id, topic: m.topic },
      fits: (p) => p.type === REGACK && p.id === id,
      answered: (p) => {
        const why = refusalOf(p, m.topic);
        if (why !== undefined || p.type !== REGACK) {
          done(why);
          return;
        }
        this.knows(p.topicId, m.topic);
        const question = this.publishing(m, done, invalid);
        if (question !== undefined) this.asking.follow(question);
      },
    };
  }

  // ---- subscribing

  subscribe(filter: string, qos: Qos, answer: (granted: Qos | Refusal) => void): void {
    if (this.state === 'ended') {
      answer(this.gone());
      return;
    }
    const failed = (why: Refusal): void => answer(why);
    const subscribing = (topic: TopicRef): Question => {
      const id = this.newId();
      return {
        packet: { type: SUBSCRIBE, dup: false, qos, id, topic },
        fits: (p) => p.type === SUBACK && p.id === id,
        answered: (p) => {
          if (p.type !== SUBACK) return;
          if (p.code === INVALID_TOPIC_ID && topic.kind === 'predefined') {
            this.ids.delete(filter); // the gateway knows nothing of it: by its name, then
            this.asking.follow(subscribing({ kind: 'name', name: filter }));
            return;
          }
          if (!this.open.delete(failed)) return;
          // Before the retained message, which follows at once.
          if (p.topicId !== 0 && topic.kind === 'name') this.knows(p.topicId, filter);
          answer(refusalOf(p, filter) ?? p.qos);
        },
      };
    };
    this.ask(subscribing(this.refOf(filter)), failed);
    this.schedule();
  }

  private refOf(filter: string): TopicRef {
    const short = /^[^+#/]{2}$/.test(filter) ? shortTopic(filter) : undefined;
    const known = this.ids.get(filter);
    return short ?? (known?.kind === 'predefined' ? known : { kind: 'name', name: filter });
  }

  unsubscribe(filter: string, answer: Answer): void {
    if (this.state === 'ended') {
      answer(this.gone());
      return;
    }
    const id = this.newId();
    const done = this.owed(answer);
    this.ask(
      {
        packet: { type: UNSUBSCRIBE, id, topic: this.refOf(filter) },
        fits: (p) => p.type === UNSUBACK && p.id === id,
        answered: () => done(undefined),
      },
      undefined,
    );
    this.schedule();
  }

  // ---- what comes

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    let p: SnPacket;
    try {
      p = decodeSn(bytes, start, end);
    } catch (why) {
      if (why instanceof ProtocolError) return end; // anybody can send datagrams
      throw why;
    }
    this.slumber.stirred(now);
    if (this.state !== 'ended' && !this.asking.hear(p, now)) this.hear(p, now);
    this.schedule();
    return end;
  }

  private hear(p: SnPacket, now: number): void {
    switch (p.type) {
      case WILLTOPICREQ: {
        const { topic = '', qos = 0, retain = false } = this.options.will?.message ?? {}; // '': none after all
        this.asking.progressed(now);
        this.say({ type: WILLTOPIC, qos, retain, topic });
        return;
      }
      case WILLMSGREQ:
        this.asking.progressed(now);
        this.say({ type: WILLMSG, payload: this.options.will?.message.payload ?? new Uint8Array(0) });
        return;
      case REGISTER:
        this.asking.delivered(now);
        this.knows(p.topicId, p.topic);
        this.say({ type: REGACK, topicId: p.topicId, id: p.id, code: ACCEPTED });
        return;
      case PUBLISH:
        this.heard(p, now);
        return;
      case PUBREL:
        this.unsettled.delete(p.id);
        this.say({ type: PUBCOMP, id: p.id });
        return;
      case PINGREQ:
        this.say({ type: PINGRESP });
        return;
      case DISCONNECT:
        this.end(refusal('unavailable', 'the gateway ended the connection'));
        return;
      default:
    }
  }

  private heard(p: Publish, now: number): void {
    const { id, qos, retain, dup } = p;
    this.asking.delivered(now);
    const topic = this.topicOf(p.topic);
    const topicId = p.topic.kind === 'short' ? 0 : p.topic.id;
    if (topic === undefined) {
      this.say({ type: PUBACK, topicId, id, code: INVALID_TOPIC_ID }); // it is registered then [MQTTSN12-6.10]
      return;
    }
    const known = this.unsettled.get(id);
    if (qos > 0 && known !== undefined) {
      if (known.taken) this.say({ type: PUBREC, id }); // the answer was lost; else it is not given yet
      return;
    }
    const level: Qos = qos === -1 ? 0 : qos;
    if (level > 0) this.unsettled.set(id, { qos: level as 1 | 2, topicId, taken: false });
    const message = new Message(topic, p.payload.slice(), level, retain, NOBODY, now, NEVER, undefined);
    this.events.delivered({ message, id: level === 0 ? 0 : id, retained: retain, duplicate: dup });
  }

  /** An id stands for a topic both ways, whoever registered it [MQTTSN12-6.5]. */
  private knows(id: number, topic: string): void {
    this.topics.set(id, topic);
    if (this.ids.get(topic)?.kind !== 'predefined') this.ids.set(topic, { kind: 'normal', id });
  }

  private topicOf(topic: TopicId): string | undefined {
    switch (topic.kind) {
      case 'short':
        return topic.name;
      case 'predefined':
        return this.predefined.get(topic.id);
      default:
        return this.topics.get(topic.id);
    }
  }

  settle(id: number, outcome: Outcome): void {
    const one = this.unsettled.get(id);
    if (one === undefined || one.taken || this.state === 'ended') return;
    const { topicId } = one;
    if (outcome === 'ok' && one.qos === 2) {
      one.taken = true;
      this.say({ type: PUBREC, id });
      return;
    }
    this.unsettled.delete(id);
    const code = outcome === 'ok' ? ACCEPTED : outcome === 'busy' ? CONGESTION : NOT_SUPPORTED;
    this.say({ type: PUBACK, topicId, id, code });
  }

  // ---- being there, and the end

  private say(p: SnPacket): void {
    this.send(encodeSn(p));
  }

  private send(datagram: Uint8Array): void {
    this.sentAt = this.options.now();
    this.slumber.stirred(this.sentAt);
    this.wire.write(datagram);
  }

  private newId(): number {
    this.nextId = (this.nextId % 0xfffe) + 1;
    return this.nextId;
  }

  private get pingAt(): number {
    const { keepAliveMs } = this.options;
    const due = keepAliveMs > 0 && this.state === 'open' && this.asking.idle && !this.slumber.down;
    return due ? this.sentAt + keepAliveMs * PING_SHARE : NEVER;
  }

  wake(now: number): void {
    if (this.pingAt <= now) {
      const packet = { type: PINGREQ, clientId: '' } as const;
      this.ask({ packet, fits: (p) => p.type === PINGRESP, answered() {} }, undefined);
    }
    this.sleepOrLook(now);
    this.schedule();
  }

  private schedule(): void {
    const next = this.asking.tick(this.options.now());
    const sleepAt = this.calm ? this.slumber.dueAt : NEVER;
    if (this.state !== 'ended') this.wire.wake(Math.min(next, this.pingAt, sleepAt));
  }

  drained(): void {}

  /** Datagrams are never answered by closing. */
  broken(): void {}

  close(): void {
    if (this.state === 'ended') return;
    this.say({ type: DISCONNECT, duration: 0 });
    this.end(undefined);
  }

  private end(why: Refusal | undefined): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.why = why;
    this.asking.end();
    this.wire.end();
  }

  lost(): void {
    const why = this.state === 'ended' ? this.why : refusal('unavailable', 'the connection is lost');
    this.state = 'ended';
    this.why = why;
    this.asking.end();
    const left = [...this.open];
    this.open.clear();
    for (const failed of left) failed(this.gone());
    this.events.ended(why);
  }

  private gone(): Refusal {
    return this.why ?? refusal('unavailable', 'the connection is closed');
  }
}

function releasing(id: number, done: Answer): Question {
  return {
    packet: { type: PUBREL, id },
    fits: (p) => p.type === PUBCOMP && p.id === id,
    answered: () => done(undefined),
  };
}

function hex(octets: Uint8Array): string {
  return Array.from(octets, (o) => o.toString(16).padStart(2, '0')).join('');
}
