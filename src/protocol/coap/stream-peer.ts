// The state machine of one connection that speaks CoAP over a stream or WebSocket messages (RFC 8323).

import type { Hub } from '../../contract/hub.ts';
import { NEVER } from '../../contract/message.ts';
import { type Departure, ProtocolError } from '../../contract/outcome.ts';
import type { Peer, Wire } from '../../contract/wire.ts';
import { Endpoint, type EndpointHost, type EndpointOptions } from './endpoint.ts';
import { decodeFrame, decodeMessage } from './frame.ts';
import { CODE, type CoapMessage } from './packet.ts';
import { StreamLayer } from './stream.ts';

/** With its token a frame must fit the 32 kB that a transport keeps of a stream for its peer; larger bodies come in blocks. */
const STREAM_MESSAGE_BYTES = 31_000;

/** opened (our CSM is out) → settled (theirs came) → released or aborted → lost. */
export class CoapStreamPeer implements Peer, EndpointHost {
  private readonly wire: Wire;
  private readonly hub: Hub;
  private readonly layer: StreamLayer;
  private readonly endpoint: Endpoint;
  /** Every message is one of the WebSocket's. */
  private readonly whole: boolean;
  /** Until when the settings must have come; NEVER once they have. */
  private settleBy: number;

  constructor(wire: Wire, hub: Hub, options: EndpointOptions, whole: boolean, now: number) {
    this.wire = wire;
    this.hub = hub;
    this.whole = whole;
    this.layer = new StreamLayer(wire, whole, Math.min(STREAM_MESSAGE_BYTES, wire.limits.maxPacketBytes));
    this.endpoint = new Endpoint(wire, this.layer, hub, options, this);
    this.settleBy = now + wire.limits.loginMs;
    this.schedule();
  }

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    if (this.whole) {
      this.take(decodeMessage(bytes, start, end), now);
      return end;
    }
    let at = start;
    while (at < end && !this.endpoint.lost) {
      const frame = decodeFrame(bytes, at, end, this.layer.limit);
      if (frame === undefined) break;
      at = frame.end;
      this.take(frame.message, now);
    }
    return at;
  }

  private take(m: CoapMessage, now: number): void {
    if (m.code === CODE.empty) return; // [RFC8323-3.4]
    const group = m.code >> 5;
    if (group === 7) {
      this.settleBy = NEVER;
      if (this.layer.signalled(m)) this.wire.end();
      return;
    }
    this.layer.checkSettled();
    // Responses that nobody asked for, and classes of the future, are ignored.
    if (group === 0) this.endpoint.receive(this.layer.begin(m, now), m);
  }

  drained(): void {
    this.endpoint.observers.roomMade();
  }

  wake(now: number): void {
    if (now < this.settleBy) {
      this.schedule();
      return;
    }
    this.layer.abort(new ProtocolError('RFC8323-5.3', 'no CSM in time'));
    this.wire.end();
  }

  schedule(): void {
    if (!this.endpoint.lost) this.wire.wake(Math.min(this.endpoint.tick(this.hub.now()), this.settleBy));
  }

  /** Observers were told; the connection is given up in order. */
  leave(): void {
    this.layer.release();
    this.wire.end();
  }

  broken(why: Error): void {
    this.hub.counters.of('coap').broken++;
    this.endpoint.blame('protocol-error');
    this.layer.abort(why);
  }

  blamed(why: Departure): void {
    this.endpoint.blame(why);
  }

  lost(now: number): void {
    this.endpoint.forget(now);
  }
}
