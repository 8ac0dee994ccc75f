// The client's side without a connection: QoS −1.

import type { Message, Qos } from '../../contract/message.ts';
import type {
  Ability,
  Answer,
  Refusal,
  Speaker,
  SpeakerEvents,
  SpeakerOptions,
} from '../../contract/speaker.ts';
import type { Wire } from '../../contract/wire.ts';
import { encodeSn } from './encode.ts';
import { shortTopic } from './map.ts';
import { PUBLISH, type TopicId } from './packet.ts';
import { idsOf, refusal, tooLarge } from './refusal.ts';
import type { SnSettings } from './settings.ts';

export const TELLER_ABILITY: Ability = {
  publishQos: [0],
  subscribeQos: [],
  retain: true,
  wildcards: false,
  shared: false,
  queues: false,
  sessions: false,
  wills: false,
  expiry: false,
  meta: [],
};

/** Says what it is told to say, and hears nothing. */
export class SnTeller implements Speaker {
  private readonly wire: Wire;
  private readonly events: SpeakerEvents;
  private readonly ids: ReadonlyMap<string, TopicId>;
  private readonly clientId: string;
  private begun = false;
  private ended = false;

  constructor(
    wire: Wire,
    { clientId, now }: SpeakerOptions,
    events: SpeakerEvents,
    { predefined }: SnSettings,
  ) {
    this.wire = wire;
    this.events = events;
    this.ids = idsOf(predefined);
    this.clientId = clientId;
    wire.wake(now());
  }

  get room(): number {
    return this.ended || this.wire.full ? 0 : 1;
  }

  publish(m: Message, answer: Answer): void {
    const topic = shortTopic(m.topic) ?? this.ids.get(m.topic);
    if (this.ended) answer(refusal('unavailable', 'the connection is closed'));
    else if (m.qos !== 0) answer(refusal('not-supported', 'nothing is acknowledged without a connection'));
    else if (topic === undefined)
      answer(refusal('topic-invalid', 'without a connection a topic has two characters, or is predefined'));
    else if (tooLarge(m, this.wire))
      answer(refusal('too-large', `${m.payload.length} octets do not fit into a datagram`));
    else {
      const { retain, payload } = m;
      this.wire.write(encodeSn({ type: PUBLISH, dup: false, qos: -1, retain, topic, id: 0, payload }));
      answer(undefined);
    }
  }

  subscribe(_filter: string, _qos: Qos, answer: (granted: Refusal) => void): void {
    answer(refusal('not-supported', 'nothing is heard without a connection'));
  }

  unsubscribe(_filter: string, answer: Answer): void {
    answer(refusal('no-subscription', 'nothing is heard without a connection'));
  }

  settle(): void {}
  drained(): void {}

  /** There is nothing to wait for, but who opened this must have it first. */
  wake(): void {
    if (this.begun || this.ended) return;
    this.begun = true;
    const { clientId } = this;
    this.events.opened({ clientId, resumed: false, ability: TELLER_ABILITY, server: 'MQTT-SN 1.2' });
  }

  broken(): void {}

  receive(_bytes: Uint8Array, _start: number, end: number): number {
    return end;
  }

  close(): void {
    this.ended = true;
    this.wire.end();
  }

  lost(): void {
    const why = this.ended ? undefined : refusal('unavailable', 'the connection is lost');
    this.ended = true;
    this.events.ended(why);
  }
}
