// One logged-in client: its mailbox, its topics, its will, and who of its rooms takes which message.

import type { Access, Hub } from '../../contract/hub.ts';
import type { Mailbox } from '../../contract/mailbox.ts';
import type { Origin } from '../../contract/message.ts';
import { isTopicName } from '../../contract/topic.ts';
import { Outflow, type OutflowHost } from './deliver.ts';
import { Answers, type Line } from './line.ts';
import { messageOfWill, type Will } from './map.ts';
import type { SnOptions } from './options.ts';
import {
  ACCEPTED,
  type Connect,
  NOT_SUPPORTED,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  REGACK,
  REGISTER,
  type SnPacket,
  SUBSCRIBE,
  UNSUBSCRIBE,
  WILLMSGRESP,
  WILLMSGUPD,
  WILLTOPICRESP,
  WILLTOPICUPD,
} from './packet.ts';
import { Inflow } from './publish.ts';
import type { RememberedWills } from './shared.ts';

import { type Predefined, Topics } from './topics.ts';

export class Session {
  readonly access: Access;
  readonly answers: Answers;
  readonly outflow: Outflow;
  readonly resumed: boolean;
  private readonly hub: Hub;
  private readonly box: Mailbox;
  private readonly inflow: Inflow;
  private readonly origin: Origin;
  private readonly clean: boolean;
  private readonly wills: RememberedWills;
  private will: Will | undefined;

  /** `will`: what the client said of it just now; undefined: nothing, so that a kept session has the will that it had. */
  constructor(
    line: Line,
    hub: Hub,
    access: Access,
    connect: Connect,
    will: Will | undefined,
    options: SnOptions,
    predefined: Predefined,
    wills: RememberedWills,
    host: OutflowHost,
  ) {
    const { limits } = hub;
    const { client, identity } = access;
    this.hub = hub;
    this.access = access;
    this.clean = connect.clean;
    this.wills = wills;
    this.origin = { protocol: 'mqttsn', client, principal: identity.principal };
    this.box = access.mailbox(client, {
      fresh: connect.clean,
      keepMs: connect.clean ? 0 : limits.sessionExpiryMs,
      capacity: limits.queueMessages,
      overflow: limits.overflow,
    });
    this.resumed = this.box.resumed;
    this.answers = new Answers(line);
    const topics = new Topics(predefined, options.registrations);
    this.outflow = new Outflow(line, hub, access, this.box, topics, this.answers, options, host);
    this.inflow = new Inflow(hub, access, this.box, topics, this.answers, this.origin);
    if (connect.clean) wills.delete(access, client);
    const kept = connect.clean || connect.will ? undefined : wills.get(access);
    this.will = kept;
    this.setWill(will ?? kept);
  }

  private setWill(will: Will | undefined): void {
    const { access, wills } = this;
    if (will === undefined && this.will === undefined) return;
    this.will = will;
    access.will(will === undefined ? undefined : messageOfWill(will, this.origin, this.hub.now()), 0);
    if (will === undefined) wills.delete(access, access.client);
    else if (!this.clean) wills.set(access, will);
  }

  /** What may come at any time while the client is logged in. */
  receive(p: SnPacket, now: number): void {
    switch (p.type) {
      case REGISTER:
        this.inflow.register(p);
        return;
      case REGACK:
        this.outflow.registered(p.id, p.code, now);
        return;
      case PUBLISH:
        this.inflow.publish(p, now);
        return;
      case PUBACK:
        this.outflow.acknowledged(p.id, p.topicId, p.code, now);
        return;
      case PUBREC:
        this.outflow.received(p.id, now);
        return;
      case PUBREL:
        this.inflow.released(p.id);
        return;
      case PUBCOMP:
        this.outflow.completed(p.id, now);
        return;
      case SUBSCRIBE:
        this.inflow.subscribe(p);
        return;
      case UNSUBSCRIBE:
        this.inflow.unsubscribe(p);
        return;
      case WILLTOPICUPD:
        this.answers.send({ type: WILLTOPICRESP, code: this.willTopic(p) }, this.access.due);
        return;
      case WILLMSGUPD:
        this.answers.send({ type: WILLMSGRESP, code: this.willPayload(p.payload) }, this.access.due);
        return;
      default:
        return; // only a gateway says the others
    }
  }

  /** A topic without a message yet has an empty one. */
  private willTopic({ topic, qos, retain }: Omit<Will, 'payload'>): number {
    if (topic === '') {
      this.setWill(undefined); // [MQTTSN12-6.4]
      return ACCEPTED;
    }
    if (!isTopicName(topic, this.hub.limits)) return NOT_SUPPORTED;
    this.setWill({ topic, qos, retain, payload: this.will?.payload ?? new Uint8Array(0) });
    return ACCEPTED;
  }

  private willPayload(payload: Uint8Array): number {
    if (this.will === undefined) return NOT_SUPPORTED;
    this.setWill({ ...this.will, payload: payload.slice() });
    return ACCEPTED;
  }

  /** Ends the client's presence; `graceful`: its will is not published. */
  end(graceful: boolean, now: number): void {
    this.outflow.stop();
    this.access.leave(graceful, now);
  }

  get dueAt(): number {
    return this.outflow.dueAt;
  }
}
