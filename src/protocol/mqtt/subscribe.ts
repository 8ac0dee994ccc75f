// SUBSCRIBE and UNSUBSCRIBE: what the client wants, what it is granted, and the retained messages that follow.

import type { Access, Hub } from '../../contract/hub.ts';
import type { Mailbox, Subscription } from '../../contract/mailbox.ts';
import { type Outcome, ProtocolError } from '../../contract/outcome.ts';
import { isTopicFilter } from '../../contract/topic.ts';
import type { Answers } from './answers.ts';
import type { Terms } from './connect.ts';
import { encodePacket } from './encode.ts';
import { SENTENCE, SUBSCRIBE_5, tagOf, UNSUBSCRIBE_5 } from './map.ts';
import {
  NO_PROPERTIES,
  type Properties,
  SUBACK,
  type Subscribe,
  type SubscribeEntry,
  UNSUBACK,
  type Unsubscribe,
} from './packet.ts';
import { isShared } from './topic.ts';

/**
 * 3.1.1 has one code for every refusal [MQTT311-3.9.3-2]. 3.1 has none: the same is sent there, because a granted QoS would be untrue, the
 * libraries that still speak 3.1 know 0x80, and one that looks only at the two bits that 3.1 defines reads QoS 0 in it.
 */
const REFUSED_3 = 0x80;

export class Subscriber {
  private readonly hub: Hub;
  private readonly access: Access;
  private readonly box: Mailbox;
  private readonly answers: Answers;
  private readonly terms: Terms;

  constructor(hub: Hub, access: Access, box: Mailbox, answers: Answers, terms: Terms) {
    this.hub = hub;
    this.access = access;
    this.box = box;
    this.answers = answers;
    this.terms = terms;
  }

  subscribe(p: Subscribe): void {
    const identifier = p.properties.subscriptionIdentifier?.[0] ?? 0;
    const codes: number[] = [];
    const replays: Subscription[] = [];
    let refusal: Outcome = 'ok';
    for (const entry of p.entries) {
      const s = this.subscriptionOf(entry, identifier);
      const { outcome, added } = this.trySubscribe(s);
      codes.push(this.codeOf(outcome, entry));
      if (outcome !== 'ok') refusal = outcome;
      else if (wantsRetained(entry, added)) replays.push(s);
    }
    const properties = this.reason(refusal);
    const bytes = encodePacket({ type: SUBACK, id: p.id, codes, properties }, this.terms.level);
    const replay = replays.length === 0 ? undefined : () => this.replay(replays);
    this.answers.frame(this.fitting(bytes), this.access.due, replay);
  }

  private subscriptionOf(entry: SubscribeEntry, identifier: number): Subscription {
    const { bridge } = this.terms;
    return {
      filter: entry.filter,
      qos: entry.qos,
      noLocal: entry.noLocal || (bridge && !isShared(entry.filter)),
      tag: tagOf(identifier, entry.retainAsPublished || bridge),
    };
  }

  private trySubscribe(s: Subscription): { readonly outcome: Outcome; readonly added: boolean } {
    if (!isTopicFilter(s.filter, this.hub.limits)) return { outcome: 'filter-invalid', added: false };
    return this.box.subscribe(s);
  }

  private codeOf(outcome: Outcome, entry: SubscribeEntry): number {
    if (outcome === 'ok') return entry.qos; // [MQTT5-3.9.3-1] [MQTT311-3.8.4-6]: what was asked for is what is granted
    return this.terms.level5 ? SUBSCRIBE_5[outcome] : REFUSED_3;
  }

  private replay(replays: readonly Subscription[]): void {
    for (const s of replays) this.box.replay(s);
  }

  unsubscribe(p: Unsubscribe): void {
    const codes: number[] = [];
    for (const filter of p.filters) codes.push(UNSUBSCRIBE_5[this.box.unsubscribe(filter)]); // [MQTT5-3.11.3-1,2]
    const bytes = encodePacket(
      { type: UNSUBACK, id: p.id, codes, properties: NO_PROPERTIES },
      this.terms.level,
    );
    this.answers.frame(this.fitting(bytes), this.access.due);
  }

  /** An answer that the client would not take cannot be left out either: the connection ends. [MQTT5-3.1.2-24] */
  private fitting(bytes: Uint8Array): Uint8Array {
    if (bytes.length <= this.terms.maxPacketBytes) return bytes;
    throw new ProtocolError('MQTT5-3.1.2-24', 'the answer is larger than the maximum packet size', 0x95);
  }

  private reason(refusal: Outcome): Properties {
    if (refusal === 'ok' || !this.terms.verbose) return NO_PROPERTIES;
    return { reasonString: SENTENCE[refusal] };
  }
}

/** Retained messages follow a subscription unless it says not to, or only a new one; never a shared one (4.8.2). */
function wantsRetained(entry: SubscribeEntry, added: boolean): boolean {
  if (isShared(entry.filter)) return false;
  return entry.retainHandling === 0 || (entry.retainHandling === 1 && added); // [MQTT5-3.3.1-9,10,11]
}
