// One address that speaks MQTT-SN: a client, or a forwarder with clients behind it.

import type { Hub } from '../../contract/hub.ts';
import { NEVER } from '../../contract/message.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import type { Peer, Wire, WireIdentity } from '../../contract/wire.ts';
import { CODECS, type SnCodec } from './codec.ts';
import { type ClientHost, type Gateway, SnDevice } from './device.ts';
import { idOfTopic } from './map.ts';
import { CONGESTION, type Envelope, GWINFO, PUBACK, PUBLISH, SEARCHGW, type SnPacket } from './packet.ts';
import { StrayPublisher } from './stray.ts';

/** The most that a datagram carries: of UDP over IPv4, and of a DTLS record. */
const UDP_BYTES = 65_507;
const DTLS_BYTES = 16_384;
/** The envelope around a message: 3 octets and the node's id. */
const ENVELOPE_BYTES = 3;
const NO_NODE = new Uint8Array(0);

export class SnPeer implements Peer {
  readonly wire: Wire;
  readonly gateway: Gateway;
  readonly codec: SnCodec;
  /** @internal Its address is its own: of a forwarder, all behind it have that one. */
  proved: boolean;
  /** The way to each client, by the node id that its forwarder gave it; '' is the sender itself. */
  private readonly paths = new Map<string, Path>();
  private stray: StrayPublisher | undefined = undefined;
  private wakeAt = NEVER;
  private heardAt: number;
  /** Messages that may come now: the bucket that `messagesPerSecond` fills. */
  private allowance: number;
  private over = false;

  constructor(wire: Wire, gateway: Gateway, now: number) {
    this.wire = wire;
    this.gateway = gateway;
    this.codec = CODECS[gateway.options.version];
    this.proved = !gateway.options.verifyAddresses || wire.secure || isLoopback(wire.remote);
    this.heardAt = now;
    this.allowance = gateway.options.messagesPerSecond;
    this.hurry(now + wire.limits.loginMs);
  }

  private get hub(): Hub {
    return this.gateway.hub;
  }

  // --- datagrams ---

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    if (this.over) return end;
    const allowed = this.allow(now);
    let envelope: Envelope | undefined;
    let p: SnPacket;
    try {
      envelope = this.codec.decodeEnvelope(bytes, start, end);
      p = this.codec.decode(bytes, envelope?.inner ?? start, end);
    } catch (why) {
      if (!(why instanceof ProtocolError)) throw why;
      // Anybody can forge a datagram in another's name: what is malformed changes nothing, and is not answered.
      this.hub.counters.of('mqttsn').broken++;
      return end;
    }
    if (allowed) this.accept(p, envelope, now);
    else this.tooFast(p, envelope);
    return end;
  }

  private allow(now: number): boolean {
    const rate = this.gateway.options.messagesPerSecond;
    if (rate !== NEVER)
      this.allowance = Math.min(rate, this.allowance + ((now - this.heardAt) * rate) / 1_000);
    this.heardAt = now;
    if (this.allowance < 1) return false;
    this.allowance--;
    return true;
  }

  /** Who can be told is told; the others repeat by themselves. */
  private tooFast(p: SnPacket, envelope: Envelope | undefined): void {
    this.hub.counters.drop('rate-exceeded');
    if (p.type !== PUBLISH || p.qos < 1) return;
    const answer = this.codec.encode({
      type: PUBACK,
      topicId: idOfTopic(p.topic),
      id: p.id,
      code: CONGESTION,
    });
    this.write(envelope?.radius ?? 0, envelope?.node, answer);
  }

  private accept(p: SnPacket, envelope: Envelope | undefined, now: number): void {
    const known = this.paths.get(keyOf(envelope?.node));
    if (p.type === SEARCHGW) {
      const info = { type: GWINFO, gateway: this.gateway.options.gatewayId, address: NO_NODE } as const;
      this.write(envelope?.radius ?? p.radius, envelope?.node, this.codec.encode(info));
      return;
    }
    if (p.type === PUBLISH && p.qos === -1 && known?.client.present !== true) {
      this.publishStray(p, now);
      return;
    }
    const path = known ?? this.open(envelope, now);
    if (path === undefined) return; // too many nodes: as if it were lost
    path.radius = envelope?.radius ?? 0;
    path.client.receive(p, now);
  }

  private publishStray(p: Parameters<StrayPublisher['publish']>[0], now: number): void {
    const { options, predefined } = this.gateway;
    if (!options.qosMinusOne) {
      this.hub.counters.drop('not-supported');
      return;
    }
    this.stray ??= new StrayPublisher(this.wire, this.hub, predefined);
    this.stray.publish(p, now);
  }

  private open(envelope: Envelope | undefined, now: number): Path | undefined {
    const limit = this.gateway.options.nodesPerForwarder;
    if (envelope !== undefined && this.paths.size >= limit && !this.forgetOne()) return undefined;
    const path = new Path(this, envelope?.node, now);
    this.paths.set(path.key, path);
    return path;
  }

  /** Makes room for a node: the oldest that is not connected goes. */
  private forgetOne(): boolean {
    for (const [key, path] of this.paths) {
      if (path.client.present) continue;
      this.paths.delete(key);
      return true;
    }
    return false;
  }

  /** @internal Sends a message, in the envelope of the node that it is for. */
  write(radius: number, node: Uint8Array | undefined, datagram: Uint8Array): void {
    this.wire.write(node === undefined ? datagram : this.codec.encodeEnvelope(radius, node, datagram));
  }

  // --- clients that come and go ---

  /** @internal */
  left(path: Path, sent: boolean): void {
    if (path.key !== '') this.paths.delete(path.key);
    const now = this.hub.now();
    if (sent && !this.occupied) this.finish(now);
    else this.hurry(now + this.wire.limits.loginMs);
  }

  /** @internal The sleeper's own place, which it has left for another. */
  release(path: Path): void {
    this.paths.delete(path.key);
    if (!this.occupied) this.finish(this.hub.now());
  }

  private get occupied(): boolean {
    for (const { client } of this.paths.values()) if (client.present) return true;
    return false;
  }

  // --- time ---

  /** @internal */
  hurry(at: number): void {
    if (at >= this.wakeAt || this.over) return;
    this.wakeAt = at;
    this.wire.wake(at);
  }

  wake(now: number): void {
    this.wakeAt = NEVER;
    for (const { client } of [...this.paths.values()]) if (client.dueAt <= now) client.tick(now);
    let next = NEVER;
    for (const { client } of this.paths.values()) if (client.dueAt < next) next = client.dueAt;
    if (!this.occupied) {
      const until = this.heardAt + this.wire.limits.loginMs;
      if (until <= now) {
        this.finish(now);
        return;
      }
      if (until < next) next = until;
    }
    if (next !== NEVER) this.hurry(next);
  }

  drained(_now: number): void {
    for (const { client } of this.paths.values()) client.drained();
  }

  /** Nobody is here any more: the address is forgotten. */
  private finish(now: number): void {
    this.over = true;
    this.stray?.close(now);
    this.wire.end();
  }

  broken(_why: Error, now: number): void {
    this.lost(now);
  }

  lost(now: number): void {
    this.over = true;
    this.stray?.close(now);
    for (const { client } of this.paths.values()) client.gone(now);
    this.paths.clear();
  }
}

function keyOf(node: Uint8Array | undefined): string {
  return node === undefined ? '' : `n${String.fromCharCode(...node)}`;
}

/** Datagrams from this machine to itself: no network can forge their sender. */
function isLoopback(remote: string): boolean {
  return remote.startsWith('127.') || remote.startsWith('[::1]');
}

/** The way to one client: straight, or in the envelopes of a forwarder. */
class Path implements ClientHost {
  readonly key: string;
  client: SnDevice;
  /** How far the forwarder's broadcasts go, as it said last. */
  radius = 0;
  private readonly peer: SnPeer;
  private readonly node: Uint8Array | undefined;

  constructor(peer: SnPeer, node: Uint8Array | undefined, now: number) {
    this.peer = peer;
    this.node = node;
    this.key = keyOf(node);
    this.client = new SnDevice(this, peer.gateway, now);
  }

  get codec(): SnCodec {
    return this.peer.codec;
  }

  get maxBytes(): number {
    const { wire } = this.peer;
    const envelope = this.node === undefined ? 0 : ENVELOPE_BYTES + this.node.length;
    return Math.min(wire.secure ? DTLS_BYTES : UDP_BYTES, wire.limits.maxPacketBytes) - envelope;
  }

  get full(): boolean {
    return this.peer.wire.full;
  }

  get proved(): boolean {
    return this.peer.proved;
  }

  set proved(is: boolean) {
    this.peer.proved = is;
  }

  get remote(): string {
    return this.peer.wire.remote;
  }

  get listener(): string {
    return this.peer.wire.listener;
  }

  get identity(): WireIdentity {
    return this.peer.wire.identity;
  }

  get loginMs(): number {
    return this.peer.wire.limits.loginMs;
  }

  send(datagram: Uint8Array): void {
    this.peer.write(this.radius, this.node, datagram);
  }

  hurry(at: number): void {
    this.peer.hurry(at);
  }

  left(sent: boolean): void {
    this.peer.left(this, sent);
  }

  adopt(sleeper: SnDevice): void {
    sleeper.move(this);
    this.client = sleeper;
  }

  vacate(): void {
    this.peer.release(this);
  }
}
