// Looks at what crosses the wires of a client, packet by packet, and tells which message came or left in which.

import { joined } from '../bytes/joined.ts';
import type { Message, Qos } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import type {
  Answer,
  Refusal,
  Speaker,
  SpeakerEvents,
  SpeakerOptions,
  Speech,
  SubscribeHow,
  Tag,
} from '../contract/speaker.ts';
import type { Peer, Slab, Slabs, Wire, WireIdentity, WireLimits } from '../contract/wire.ts';

/**
 * Gets each packet, whole, in the order of the wire: a datagram, a message, or what a stream's protocol calls one; of a stream whose packets
 * only its speaker knows, what came or left at once. The octets are the callee's. `message`: what is published with it.
 */
export type Tap = (direction: 'in' | 'out', packet: Uint8Array, message?: Message) => void;

/** What is happening, whichever wire it happens on. */
interface Scene {
  readonly speech: Speech;
  readonly tap: Tap;
  readonly maxPacketBytes: number | undefined;
  /** What is being read. */
  packet: Uint8Array | undefined;
  /** What is being published. */
  message: Message | undefined;
}

/** The same speech, looked at. */
export function tapped(speech: Speech, tap: Tap): Speech {
  return { ...speech, open: (wire, options, events) => openTapped(speech, tap, wire, options, events) };
}

function openTapped(
  speech: Speech,
  tap: Tap,
  wire: Wire,
  options: SpeakerOptions,
  events: SpeakerEvents,
): Speaker {
  const { another, maxPacketBytes } = options;
  const scene: Scene = { speech, tap, maxPacketBytes, packet: undefined, message: undefined };
  const looked = new TappedWire(wire, scene);
  const speaker = speech.open(
    looked,
    another === undefined
      ? options
      : { ...options, another: (open, failed) => another((more) => peerOf(more, scene, open), failed) },
    {
      opened: (how) => events.opened(how),
      delivered: (d) => events.delivered(scene.packet === undefined ? d : { ...d, packet: scene.packet }),
      ended: (why) => events.ended(why),
    },
  );
  return new TappedSpeaker(speaker, looked, scene);
}

function peerOf(wire: Wire, scene: Scene, open: (wire: Wire) => Peer): Peer {
  const looked = new TappedWire(wire, scene);
  return new TappedPeer(open(looked), looked, scene);
}

/** Octets that were written, which their writer fills in before its turn ends. */
interface Span {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
}

class TappedWire implements Wire {
  private readonly wire: Wire;
  private readonly scene: Scene;
  private readonly cutter: Cutter | undefined;
  private written: Span[] = [];

  constructor(wire: Wire, scene: Scene) {
    this.wire = wire;
    this.scene = scene;
    this.cutter = cutterOf(scene, Number.POSITIVE_INFINITY);
  }

  private note(bytes: Uint8Array, start: number, length: number): void {
    // What is written on somebody else's time, an outbox's say, is told when that is over.
    if (this.written.length === 0) queueMicrotask(() => this.tell());
    this.written.push({ bytes, start, length });
  }

  /** Tells what was written. */
  tell(): void {
    const { written, scene } = this;
    if (written.length === 0) return;
    this.written = [];
    const found = (packet: Uint8Array) => scene.tap('out', packet, scene.message);
    const parts = written.map(({ bytes, start, length }) => bytes.slice(start, start + length));
    if (scene.speech.carrier !== 'stream') parts.forEach(found);
    else if (this.cutter === undefined) found(joined(parts));
    else this.cutter.take(joined(parts), found);
  }

  reserve(length: number): number {
    const start = this.wire.reserve(length);
    this.note(this.wire.bytes, start, length);
    return start;
  }

  write(bytes: Uint8Array): void {
    this.wire.write(bytes);
    this.note(bytes, 0, bytes.length);
  }

  share(slab: Slab, start: number, end: number): void {
    this.wire.share(slab, start, end);
    this.note(slab.bytes, start, end - start);
  }

  get bytes(): Uint8Array {
    return this.wire.bytes;
  }
  get remote(): string {
    return this.wire.remote;
  }
  get listener(): string {
    return this.wire.listener;
  }
  get secure(): boolean {
    return this.wire.secure;
  }
  get identity(): WireIdentity {
    return this.wire.identity;
  }
  get limits(): WireLimits {
    return this.wire.limits;
  }
  get slabs(): Slabs {
    return this.wire.slabs;
  }
  get full(): boolean {
    return this.wire.full;
  }
  get unsent(): number {
    return this.wire.unsent;
  }
  get secureUp(): (() => void) | undefined {
    const { wire } = this;
    if (wire.secureUp === undefined) return undefined;
    return () => {
      this.tell();
      wire.secureUp!();
    };
  }
  get text(): boolean {
    return this.wire.text === true;
  }
  set text(text: boolean) {
    this.wire.text = text;
  }

  pause(): void {
    this.wire.pause();
  }
  resume(): void {
    this.wire.resume();
  }
  wake(at: number): void {
    this.wire.wake(at);
  }
  end(): void {
    this.tell();
    this.wire.end();
  }
  destroy(): void {
    this.wire.destroy();
  }
}

/** The part of a speaker that has one wire. */
class TappedPeer implements Peer {
  private readonly peer: Peer;
  protected readonly wire: TappedWire;
  protected readonly scene: Scene;
  private readonly cutter: Cutter | undefined;
  /** Octets in front of what comes next that were told when they came first. */
  private told = 0;

  constructor(peer: Peer, wire: TappedWire, scene: Scene) {
    this.peer = peer;
    this.wire = wire;
    this.scene = scene;
    this.cutter = cutterOf(scene, scene.maxPacketBytes ?? wire.limits.maxPacketBytes);
    wire.tell();
  }

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    if (start === end) return this.peer.receive(bytes, start, end, now);
    if (this.cutter !== undefined) {
      this.cutter.take(bytes.subarray(start, end), (packet) => {
        this.read(packet, (p) => this.peer.receive(p, 0, p.length, now));
      });
      return end;
    }
    const fresh = bytes.slice(start + this.told, end);
    const at = this.read(fresh, () => this.peer.receive(bytes, start, end, now));
    this.told = end - at;
    return at;
  }

  private read(packet: Uint8Array, receive: (packet: Uint8Array) => number): number {
    this.scene.tap('in', packet);
    this.scene.packet = packet;
    try {
      return receive(packet);
    } finally {
      this.scene.packet = undefined;
      this.wire.tell();
    }
  }

  drained(now: number): void {
    this.peer.drained(now);
    this.wire.tell();
  }

  wake(now: number): void {
    this.peer.wake(now);
    this.wire.tell();
  }

  broken(why: Error, now: number): void {
    this.peer.broken(why, now);
    this.wire.tell();
  }

  lost(now: number): void {
    this.peer.lost(now);
  }
}

class TappedSpeaker extends TappedPeer implements Speaker {
  private readonly speaker: Speaker;

  constructor(speaker: Speaker, wire: TappedWire, scene: Scene) {
    super(speaker, wire, scene);
    this.speaker = speaker;
  }

  get room(): number {
    return this.speaker.room;
  }

  publish(m: Message, answer: Answer, tag?: Tag): void {
    const { scene } = this;
    this.wire.tell();
    scene.message = m;
    this.speaker.publish(m, answer, tag);
    this.wire.tell();
    scene.message = undefined;
  }

  subscribe(filter: string, qos: Qos, answer: (granted: Qos | Refusal) => void, how?: SubscribeHow): void {
    this.speaker.subscribe(filter, qos, answer, how);
    this.wire.tell();
  }

  unsubscribe(filter: string, answer: Answer): void {
    this.speaker.unsubscribe(filter, answer);
    this.wire.tell();
  }

  settle(id: number, outcome: Outcome): void {
    this.speaker.settle(id, outcome);
    this.wire.tell();
  }

  close(): void {
    this.speaker.close();
    this.wire.tell();
  }
}

function cutterOf({ speech }: Scene, most: number): Cutter | undefined {
  return speech.packetEnd === undefined ? undefined : new Cutter(speech.packetEnd, most);
}

/** Cuts a stream where its packets end. */
class Cutter {
  private readonly endOf: NonNullable<Speech['packetEnd']>;
  private readonly most: number;
  private parts: Uint8Array[] = [];
  private length = 0;
  /** So much must be there before there is anything to cut. */
  private needed = 0;

  /** From a packet of more than `most` octets on nothing is cut: it is for the peer to refuse. */
  constructor(endOf: NonNullable<Speech['packetEnd']>, most: number) {
    this.endOf = endOf;
    this.most = most;
  }

  take(chunk: Uint8Array, found: (packet: Uint8Array) => void): void {
    this.parts.push(chunk.slice());
    this.length += chunk.length;
    if (this.length < this.needed) return;
    const bytes = joined(this.parts);
    const { length } = bytes;
    this.keep(NOTHING, 1);
    for (let at = 0; at < length; ) {
      const end = this.endOf(bytes, at, length);
      if (end === -1 || (end > length && end - at <= this.most)) {
        this.keep(bytes.subarray(at), end === -1 ? length - at + 1 : end - at);
        return;
      }
      const stop = Math.min(end, length);
      found(bytes.slice(at, stop));
      at = stop;
    }
  }

  private keep(rest: Uint8Array, needed: number): void {
    this.parts = rest.length === 0 ? [] : [rest];
    this.length = rest.length;
    this.needed = needed;
  }
}

const NOTHING = new Uint8Array(0);
