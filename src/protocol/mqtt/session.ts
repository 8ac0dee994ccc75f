// One logged-in client: what it may send once CONNACK left, and who of its rooms takes it.

import type { Access, Hub } from '../../contract/hub.ts';
import type { Mailbox } from '../../contract/mailbox.ts';
import type { Origin } from '../../contract/message.ts';
import { type Outcome, ProtocolError } from '../../contract/outcome.ts';
import type { Wire } from '../../contract/wire.ts';
import { Answers } from './answers.ts';
import { sessionMs, type Terms } from './connect.ts';
import { Outflow } from './deliver.ts';
import { encodePacket } from './encode.ts';
import { lanesOf } from './lane.ts';
import { DISCONNECT_5, SENTENCE } from './map.ts';
import type { MqttOptions } from './options.ts';
import {
  AUTH,
  type Auth,
  CONNECT,
  DISCONNECT,
  type Disconnect,
  NO_PROPERTIES,
  type Packet,
  PINGREQ,
  PINGRESP,
  type Properties,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  SUBSCRIBE,
  UNSUBSCRIBE,
} from './packet.ts';
import { Inflow } from './publish.ts';
import { Subscriber } from './subscribe.ts';

const PONG = encodePacket({ type: PINGRESP }, 4);

/** What the session tells its connection. */
export interface SessionHost {
  /** The client said goodbye; `graceful`: its will is dropped. */
  left(graceful: boolean, now: number): void;
  /** The client goes on with its proof. */
  authenticated(p: Auth): void;
  /** The hub takes the mailbox away. */
  evict(why: Outcome): void;
}

export class Session {
  readonly answers: Answers;
  readonly outflow: Outflow;
  readonly inflow: Inflow;
  private readonly subscriber: Subscriber;
  private readonly wire: Wire;
  private readonly hub: Hub;
  private readonly box: Mailbox;
  private readonly terms: Terms;
  private readonly host: SessionHost;

  constructor(
    wire: Wire,
    hub: Hub,
    access: Access,
    box: Mailbox,
    terms: Terms,
    options: MqttOptions,
    origin: Origin,
    host: SessionHost,
  ) {
    this.wire = wire;
    this.hub = hub;
    this.box = box;
    this.terms = terms;
    this.host = host;
    const lanes = lanesOf(hub);
    this.answers = new Answers(wire, terms.level, terms.verbose);
    this.outflow = new Outflow(wire, hub, access, box, terms, this.answers, lanes, host);
    this.inflow = new Inflow(
      wire,
      hub,
      access,
      box,
      this.answers,
      this.outflow,
      lanes,
      terms,
      options,
      origin,
    );
    this.subscriber = new Subscriber(hub, access, box, this.answers, terms);
  }

  /** `owned`: the octets that the packet views belong to nobody else. */
  receive(p: Packet, now: number, owned: boolean): void {
    switch (p.type) {
      case PUBLISH:
        this.inflow.publish(p, now, owned);
        return;
      case PUBACK:
        this.outflow.acknowledged(p.id, p.code);
        return;
      case PUBREC:
        this.outflow.received(p.id, p.code);
        return;
      case PUBREL:
        this.inflow.released(p.id);
        return;
      case PUBCOMP:
        this.outflow.completed(p.id);
        return;
      case SUBSCRIBE:
        this.subscriber.subscribe(p);
        return;
      case UNSUBSCRIBE:
        this.subscriber.unsubscribe(p);
        return;
      case PINGREQ:
        this.wire.write(PONG); // [MQTT5-3.12.4-1] [MQTT311-3.12.4-1]
        return;
      case DISCONNECT:
        this.disconnected(p, now);
        return;
      case AUTH:
        this.host.authenticated(p);
        return;
      case CONNECT:
        throw new ProtocolError('MQTT5-3.1.0-2', 'a second CONNECT on one connection', 0x82);
      default:
        throw new ProtocolError('MQTT5-2.1.2', 'only a server sends this packet', 0x82);
    }
  }

  private disconnected(p: Disconnect, now: number): void {
    const asked = p.properties.sessionExpiryInterval;
    if (asked !== undefined) {
      if (asked > 0 && this.terms.endsAtOnce)
        throw new ProtocolError(
          'MQTT5-3.14.2.2.2',
          'a session that was to end with its connection cannot be kept',
          0x82,
        );
      this.box.keep(sessionMs(asked, this.hub.limits));
    }
    this.host.left(p.code === 0, now); // [MQTT5-3.14.4-3] [MQTT311-3.14.4-3]
  }

  /** Says why this side ends the connection, if the version can. */
  goodbye(code: number, reason: string, serverReference?: string): void {
    if (!this.terms.level5) return; // [MQTT311-4.8.0-1]: 3.x servers just close
    const properties: Properties = {};
    if (serverReference !== undefined) properties.serverReference = serverReference;
    if (reason !== '') properties.reasonString = reason;
    let bytes = encodePacket({ type: DISCONNECT, code, properties }, 5);
    if (bytes.length > this.terms.maxPacketBytes)
      bytes = encodePacket({ type: DISCONNECT, code, properties: NO_PROPERTIES }, 5); // [MQTT5-3.14.2-3]
    this.wire.write(bytes);
  }

  sayWhy(why: Outcome, serverReference: string | undefined): void {
    const elsewhere = why === 'use-another-server' || why === 'server-moved';
    this.goodbye(DISCONNECT_5[why], SENTENCE[why], elsewhere ? serverReference : undefined);
  }

  stop(): void {
    this.outflow.stop();
  }
}
