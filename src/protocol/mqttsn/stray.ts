// QoS −1: publishes without a connection, as whoever the wire proves its sender to be.

import type { Access, Guest, Hub } from '../../contract/hub.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { isTopicName } from '../../contract/topic.ts';
import type { Wire } from '../../contract/wire.ts';
import { messageOf } from './map.ts';
import type { Publish } from './packet.ts';
import type { Predefined } from './topics.ts';

/** Messages that wait while the hub thinks who their sender is. */
const MAX_HELD = 64;

export class StrayPublisher implements Guest {
  private readonly hub: Hub;
  private readonly predefined: Predefined;
  private access: Access | undefined = undefined;
  private held: Publish[] = [];
  private closed = false;

  constructor(wire: Wire, hub: Hub, predefined: Predefined) {
    this.hub = hub;
    this.predefined = predefined;
    const { remote, listener, identity } = wire;
    const nobody = { client: '', username: undefined, password: undefined };
    hub.login({ protocol: 'mqttsn', family: 'mqtt', ...nobody, remote, listener, wire: identity }, this);
  }

  /** Nothing is answered, whatever becomes of it. */
  publish(p: Publish, now: number): void {
    if (this.closed) return;
    if (this.access !== undefined) this.pass(p, now);
    else if (this.held.length < MAX_HELD) this.held.push({ ...p, payload: p.payload.slice() });
    else this.hub.counters.drop('rate-exceeded');
  }

  private pass(p: Publish, now: number): void {
    const { access, hub } = this;
    this.hub.counters.of('mqttsn').received[0]!++;
    // Only ids that need no registration [MQTTSN12-6.8].
    const { topic } = p;
    const name =
      topic.kind === 'short'
        ? topic.name
        : topic.kind === 'predefined'
          ? this.predefined.nameOf(topic.id)
          : undefined;
    if (name === undefined || !isTopicName(name, hub.limits)) {
      hub.counters.drop('topic-invalid');
      return;
    }
    const origin = { protocol: 'mqttsn', client: access!.client, principal: access!.identity.principal };
    const outcome = access!.publish(messageOf(p, name, origin, now));
    if (outcome === 'not-authorized') hub.counters.drop('not-authorized');
  }

  welcome(access: Access): void {
    const now = this.hub.now();
    if (this.closed) {
      access.leave(true, now);
      return;
    }
    this.access = access;
    for (const p of this.held.splice(0)) this.pass(p, now);
  }

  refuse(_why: Outcome): void {
    this.hub.counters.of('mqttsn').refused++;
    this.hub.counters.drop('not-authorized', this.held.length);
    this.closed = true;
    this.held = [];
  }

  kept(_ticket: number): void {}

  evict(_why: Outcome): void {
    this.closed = true;
    this.access = undefined;
  }

  close(now: number): void {
    this.closed = true;
    this.held = [];
    this.access?.leave(true, now);
    this.access = undefined;
  }
}
