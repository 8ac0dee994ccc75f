// The state machine of one endpoint that speaks datagrams (RFC 7252): the message layer, and the endpoint behind it.

import type { Hub } from '../../contract/hub.ts';
import { NEVER } from '../../contract/message.ts';
import type { Peer, Wire } from '../../contract/wire.ts';
import { decodeCoap } from './decode.ts';
import { Endpoint, type EndpointHost, type EndpointOptions } from './endpoint.ts';
import { type LayerEffects, MessageLayer } from './exchange.ts';
import type { ExpressLane } from './express.ts';
import { decodeText } from './options.ts';
import {
  ACKNOWLEDGEMENT,
  CODE,
  CONFIRMABLE,
  type CoapMessage,
  NON_CONFIRMABLE,
  OPTION,
  RESET,
} from './packet.ts';

const LEISURE_MS = 5_000; // DEFAULT_LEISURE [RFC7252-4.8]
const MAX_LEISURELY = 4;

export interface CoapOptions extends EndpointOptions {
  /** An endpoint without observations that is silent for so long is forgotten. */
  readonly idleMs: number;
  /** Addresses prove that they are their sender's own before they get large answers. */
  readonly verifyAddresses: boolean;
  /** The lane for the usual requests; undefined: all go the long way. */
  readonly express: ExpressLane | undefined;
}

/** A malformed message changes nothing: anybody can forge a datagram. What an endpoint is to the hub, endpoint.ts knows. */
export class CoapPeer implements Peer, LayerEffects, EndpointHost {
  private readonly wire: Wire;
  private readonly layer: MessageLayer;
  private readonly hub: Hub;
  private readonly idleMs: number;
  private readonly endpoint: Endpoint;
  private readonly express: ExpressLane | undefined;
  private heardAt: number;
  /** When the wire wakes us, or NEVER. Earlier than needed is harmless, and cheaper than to say each time that it is later. */
  private armedAt = NEVER;
  /** Requests to a group that are not answered yet. */
  private leisurely = 0;

  constructor(wire: Wire, hub: Hub, options: CoapOptions, now: number) {
    this.wire = wire;
    this.hub = hub;
    // A device keeps its DTLS association while it sleeps; how long, the transport knows.
    this.idleMs = wire.secure ? NEVER : options.idleMs;
    this.express = wire.sentTo === 'group' ? undefined : options.express;
    this.heardAt = now;
    const verified = !options.verifyAddresses || wire.secure || isLoopback(wire.remote);
    this.layer = new MessageLayer(wire, this, verified);
    this.endpoint = new Endpoint(wire, this.layer, hub, options, this);
    this.schedule();
  }

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    this.layer.heard(end - start);
    if (this.express?.take(bytes, start, end, now, this.endpoint, this.layer) === true) {
      this.heardAt = now;
      if (this.layer.busy) this.schedule();
      return end;
    }
    // 60 00 | id: an acknowledgement and nothing else
    if (end - start === 4 && bytes[start] === 0x60 && bytes[start + 1] === CODE.empty) {
      this.heardAt = now;
      this.layer.acknowledged((bytes[start + 2]! << 8) | bytes[start + 3]!);
      return end;
    }
    const m = decodeCoap(bytes, start, end);
    if (m === undefined) return end;
    if ('malformed' in m) {
      this.hub.counters.of('coap').broken++;
      if (m.type === CONFIRMABLE) this.layer.reset(m.id); // [RFC7252-4.2]; others are ignored [RFC7252-4.3]
      return end;
    }
    this.heardAt = now;
    if (this.fromGroup(m)) this.takeMulticast(m, now);
    else if (m.type === ACKNOWLEDGEMENT) this.layer.acknowledged(m.id);
    else if (m.type === RESET) {
      this.layer.wasReset(m.id);
      this.endpoint.observers.reset(m.id);
    } else if (m.code === CODE.empty || m.code >> 5 !== 0) {
      // A ping, or a response that nobody asked for. [RFC7252-4.2, 4.3]
      if (m.type === CONFIRMABLE) this.layer.reset(m.id);
    } else {
      const exchange = this.layer.begin(m, now);
      if (exchange !== undefined) this.endpoint.receive(exchange, m);
    }
    if (this.layer.busy || this.endpoint.waits) this.schedule();
    return end;
  }

  /** Whether it was sent to a group; where nobody can tell, what a group would be asked is taken for that. */
  private fromGroup(m: CoapMessage): boolean {
    const { sentTo } = this.wire;
    return sentTo === 'group' || (sentTo === 'either' && m.type === NON_CONFIRMABLE && discovers(m));
  }

  /**
   * Only discovery is asked of a group here, and only non-confirmably [RFC7252-8.1]. It is answered within the leisure, so that not all members of
   * the group answer at once [RFC7252-8.2].
   */
  private takeMulticast(m: CoapMessage, now: number): void {
    if (m.type !== NON_CONFIRMABLE || !discovers(m) || this.leisurely >= MAX_LEISURELY) return;
    const exchange = this.layer.begin(m, now, true);
    if (exchange === undefined) return;
    this.leisurely++;
    this.endpoint.later(now + (LEISURE_MS * this.hub.random(1)[0]!) / 256, () => {
      this.leisurely--;
      this.endpoint.receive(exchange, m);
    });
  }

  drained(): void {
    this.endpoint.observers.roomMade();
  }

  wake(now: number): void {
    this.armedAt = NEVER;
    const quiet = this.endpoint.observers.size === 0 && this.layer.unacknowledged === 0;
    if (quiet && now - this.heardAt >= this.idleMs) {
      this.endpoint.blame('idle');
      this.wire.end();
      return;
    }
    this.schedule();
  }

  random(length: number): Uint8Array {
    return this.hub.random(length);
  }

  now(): number {
    return this.hub.now();
  }

  superseded(id: number): boolean {
    return this.endpoint.observers.supersede(id);
  }

  leave(): void {
    this.wire.end();
  }

  schedule(): void {
    if (this.endpoint.lost) return;
    const now = this.hub.now();
    const idleAt = this.endpoint.observers.size === 0 ? this.heardAt + this.idleMs : NEVER;
    const due = Math.min(this.endpoint.tick(now), this.layer.tick(now));
    this.arm(Math.min(due, Math.max(idleAt, now + 1)));
  }

  arm(at: number): void {
    if (at >= this.armedAt) return;
    this.armedAt = at;
    this.wire.wake(at);
  }

  /** Never called: nothing that arrives in a datagram is answered by closing. */
  broken(): void {
    this.hub.counters.of('coap').broken++;
  }

  lost(now: number): void {
    this.endpoint.forget(now);
  }
}

function discovers(m: CoapMessage): boolean {
  const first = m.options.find((o) => o.number === OPTION.uriPath);
  return m.code === CODE.get && first !== undefined && decodeText(first.value) === '.well-known';
}

/** Datagrams from this machine to itself: no network can forge their sender. */
function isLoopback(remote: string): boolean {
  return remote.startsWith('127.') || remote.startsWith('[::1]');
}
