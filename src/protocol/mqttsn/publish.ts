// What a logged-in client asks for: registering topics, publishing, subscribing.

import type { Access, Hub, ProtocolCounters } from '../../contract/hub.ts';
import type { Mailbox, Subscription } from '../../contract/mailbox.ts';
import type { Origin } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { isTopicFilter, isTopicName } from '../../contract/topic.ts';
import type { Answers } from './line.ts';
import { idOfTopic, messageOf, RETURN_CODE } from './map.ts';
import {
  ACCEPTED,
  CONGESTION,
  INVALID_TOPIC_ID,
  NOT_SUPPORTED,
  PUBACK,
  PUBCOMP,
  PUBREC,
  type Publish,
  REGACK,
  type Register,
  SUBACK,
  type Subscribe,
  type TopicRef,
  UNSUBACK,
  type Unsubscribe,
} from './packet.ts';
import type { Topics } from './topics.ts';

/** So many answers may wait for the store before a client is told that it is too fast. */
const WAITING_ANSWERS = 1_024;

export class Inflow {
  private readonly hub: Hub;
  private readonly access: Access;
  private readonly box: Mailbox;
  private readonly topics: Topics;
  private readonly answers: Answers;
  private readonly origin: Origin;
  private readonly counters: ProtocolCounters;
  /** QoS 1 ids whose PUBACK waits for the store: a repetition is not published again. */
  private readonly unanswered = new Set<number>();

  constructor(hub: Hub, access: Access, box: Mailbox, topics: Topics, answers: Answers, origin: Origin) {
    this.hub = hub;
    this.access = access;
    this.box = box;
    this.topics = topics;
    this.answers = answers;
    this.origin = origin;
    this.counters = hub.counters.of('mqttsn');
  }

  register(p: Register): void {
    let topicId = 0;
    let code: number = INVALID_TOPIC_ID;
    if (isTopicName(p.topic, this.hub.limits)) {
      topicId = this.topics.register(p.topic) ?? 0;
      code = topicId === 0 ? CONGESTION : ACCEPTED;
    }
    this.answers.send({ type: REGACK, topicId, id: p.id, code }, 0);
  }

  publish(p: Publish, now: number): void {
    const qos = p.qos === -1 ? 0 : p.qos;
    if (qos === 2 && this.box.inbound.has(p.id)) {
      this.answers.send({ type: PUBREC, id: p.id }, this.access.due); // again, and not published again
      return;
    }
    if (qos === 1 && this.unanswered.has(p.id)) return;
    if (qos > 0 && p.id === 0) {
      this.answer(p, NOT_SUPPORTED); // of QoS 0 only [MQTTSN12-5.4.12]
      return;
    }
    if (this.answers.waiting >= WAITING_ANSWERS) {
      this.answer(p, CONGESTION);
      return;
    }
    this.counters.received[qos]!++;
    const outcome = this.tryPublish(p, now);
    const code = RETURN_CODE[outcome];
    if (outcome === 'not-authorized') this.hub.counters.drop('not-authorized');
    if (code !== ACCEPTED) this.answer(p, code);
    else if (qos === 1) this.acknowledge(p);
    else if (qos === 2) {
      this.box.inbound.add(p.id);
      this.answers.send({ type: PUBREC, id: p.id }, this.access.due);
    }
  }

  private tryPublish(p: Publish, now: number): Outcome {
    const topic = this.topics.nameOf(p.topic);
    if (topic === undefined || !isTopicName(topic, this.hub.limits)) return 'topic-invalid';
    return this.access.publish(messageOf(p, topic, this.origin, now));
  }

  /** A refusal, which QoS 0 gets too [MQTTSN12-5.4.13]. */
  private answer(p: Publish, code: number): void {
    this.answers.send({ type: PUBACK, topicId: idOfTopic(p.topic), id: p.id, code }, 0);
  }

  private acknowledge(p: Publish): void {
    const { id } = p;
    this.unanswered.add(id);
    this.answers.send(
      { type: PUBACK, topicId: idOfTopic(p.topic), id, code: ACCEPTED },
      this.access.due,
      () => this.unanswered.delete(id),
    );
  }

  /** PUBREL: the client will not send this id again. */
  released(id: number): void {
    this.box.inbound.delete(id);
    this.answers.send({ type: PUBCOMP, id }, this.access.due);
  }

  subscribe(p: Subscribe): void {
    const filter = this.topics.nameOf(p.topic);
    const refuse = (code: number) =>
      this.answers.send({ type: SUBACK, qos: 0, topicId: idOfTopic(p.topic), id: p.id, code }, 0);
    if (filter === undefined || p.topic.kind === 'normal') {
      refuse(INVALID_TOPIC_ID);
      return;
    }
    if (p.qos === -1 || !isTopicFilter(filter, this.hub.limits)) {
      refuse(NOT_SUPPORTED);
      return;
    }
    const s: Subscription = { filter, qos: p.qos, noLocal: false, tag: 0 };
    const { outcome } = this.box.subscribe(s);
    if (outcome !== 'ok') {
      refuse(RETURN_CODE[outcome]);
      return;
    }
    const topicId = this.idFor(p.topic, filter);
    const shared = filter.startsWith('$share/');
    this.answers.send(
      { type: SUBACK, qos: p.qos, topicId, id: p.id, code: ACCEPTED },
      this.access.due,
      shared ? undefined : () => this.box.replay(s),
    );
  }

  /** The id that messages will come with; 0 where they come from many topics, or by a short name [MQTTSN12-5.4.16]. */
  private idFor(topic: TopicRef, filter: string): number {
    if (topic.kind === 'predefined') return topic.id;
    if (topic.kind === 'short' || !isTopicName(filter, this.hub.limits)) return 0;
    if (filter.startsWith('$share/')) return 0;
    return this.topics.register(filter) ?? 0;
  }

  unsubscribe(p: Unsubscribe): void {
    const filter = this.topics.nameOf(p.topic);
    if (filter !== undefined && p.topic.kind !== 'normal') this.box.unsubscribe(filter);
    this.answers.send({ type: UNSUBACK, id: p.id }, this.access.due);
  }
}
