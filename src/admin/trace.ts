// Traces: while somebody looks at a client or a topic, the octets on the wires are cut into packets and taken apart. Else nothing is.

import type { OwnedHub } from '../contract/hub.ts';
import type { Tap, TappedWire } from '../contract/tap.ts';
import { matchesTopic } from '../contract/topic.ts';
import { dissectorOf } from './anatomy/dissect.ts';
import type { Dissected, Dissector, Field } from './anatomy/dissected.ts';

/** What somebody looks at; without both, at everything. */
export interface TraceQuery {
  readonly client: { readonly protocol: string; readonly client: string } | undefined;
  readonly topic: string | undefined;
}

export interface TracedPacket {
  /** ms since 1970. */
  readonly at: number;
  readonly direction: 'in' | 'out';
  readonly protocol: string;
  /** Absent while nobody is logged in there. */
  readonly client?: string;
  readonly remote: string;
  readonly listener: string;
  readonly name: string;
  readonly topic?: string;
  /** Of a packet with several messages. */
  readonly topics?: readonly string[];
  /** Octets of the whole packet. */
  readonly length: number;
  /** Base64, of the first ones; secrets are `*`. */
  readonly octets: string;
  /** There were more octets. */
  readonly cut: boolean;
  readonly fields: readonly Field[];
}

/** So much of a packet is taken apart and shown. */
const SHOWN_BYTES = 4_096;
/** A packet whose end cannot be told within so many octets is shown as it is. */
const GATHER_BYTES = 65_536;
/** Packets of a connection that nobody is logged in on yet: they wait until it is known whose they are. */
const HELD_PACKETS = 16;
const HELD_LINES = 1_000;
const MAX_VIEWERS = 16;

interface Viewer {
  readonly query: TraceQuery;
  readonly see: (packet: TracedPacket) => void;
}

interface Who {
  readonly protocol: string;
  readonly client: string;
}

/** One connection. */
interface Line {
  dissector: Dissector | undefined;
  /** What came before its protocol was known. */
  early: Uint8Array[];
  readonly in: Flow;
  readonly out: Flow;
  held: TracedPacket[];
}

/** One direction of it. */
interface Flow {
  rest: Uint8Array;
  /** Octets of a long packet that are still to come, and are not shown. */
  skip: number;
}

const NOTHING = new Uint8Array(0);

export class Tracer implements Tap {
  private readonly hub: OwnedHub;
  private readonly attach: (tap: Tap | undefined) => void;
  private readonly viewers = new Set<Viewer>();
  /** By the other side's address. */
  private readonly who = new Map<string, Who>();
  private readonly held = new Map<string, Line>();
  private lines = new WeakMap<TappedWire, Line>();
  private unwatch = (): void => {};

  /** `attach` puts the tap on the wires, or takes it away. */
  constructor(hub: OwnedHub, attach: (tap: Tap | undefined) => void) {
    this.hub = hub;
    this.attach = attach;
  }

  /** No more can look. */
  get crowded(): boolean {
    return this.viewers.size >= MAX_VIEWERS;
  }

  /** Calls `see` with each packet from now on; returns how to stop. */
  watch(query: TraceQuery, see: (packet: TracedPacket) => void): () => void {
    const viewer = { query, see };
    if (this.viewers.size === 0) this.begin();
    this.viewers.add(viewer);
    return () => {
      if (this.viewers.delete(viewer) && this.viewers.size === 0) this.rest();
    };
  }

  private begin(): void {
    const { inspection } = this.hub;
    for (const { protocol, client, remote } of inspection.clients())
      this.who.set(remote, { protocol, client });
    this.unwatch = inspection.watch((event) => {
      if (event.kind === 'connected') this.arrived(event.client.remote, event.client);
      else if (event.kind === 'disconnected') this.who.delete(event.client.remote);
    });
    this.attach(this);
  }

  private rest(): void {
    this.attach(undefined);
    this.unwatch();
    this.who.clear();
    this.held.clear();
    this.lines = new WeakMap();
  }

  private arrived(remote: string, { protocol, client }: Who): void {
    this.who.set(remote, { protocol, client });
    const line = this.held.get(remote);
    if (line === undefined) return;
    this.held.delete(remote);
    // Who does not ask for a client has seen them.
    for (const packet of line.held.splice(0))
      for (const { query, see } of this.viewers)
        if (query.client !== undefined && isFor(query, { protocol, client }) && isAbout(query, packet))
          see({ ...packet, client });
  }

  // --- the tap

  passed(wire: TappedWire, direction: 'in' | 'out', bytes: Uint8Array, start: number, end: number): void {
    const who = this.whoAt(wire);
    if (who !== undefined && !this.wanted(who)) return;
    const line = this.lineOf(wire);
    if (wire.protocol === '') {
      // The first octets tell what is spoken: then these are taken apart.
      if (direction === 'in' && line.early.length < HELD_PACKETS) line.early.push(bytes.slice(start, end));
      return;
    }
    line.dissector ??= dissectorOf(wire.protocol);
    for (const octets of line.early.splice(0)) this.flow(wire, line, 'in', octets);
    this.flow(wire, line, direction, bytes.slice(start, end));
  }

  private whoAt({ client, protocol, remote }: TappedWire): Who | undefined {
    if (client === undefined) return this.who.get(remote);
    return client === '' ? undefined : { protocol, client };
  }

  private wanted(who: Who): boolean {
    for (const { query } of this.viewers) if (isFor(query, who)) return true;
    return false;
  }

  private lineOf(wire: TappedWire): Line {
    let line = this.lines.get(wire);
    if (line === undefined) {
      const flow = () => ({ rest: NOTHING, skip: 0 });
      line = { dissector: undefined, early: [], in: flow(), out: flow(), held: [] };
      this.lines.set(wire, line);
    }
    return line;
  }

  /** Cuts what passed into packets. */
  private flow(wire: TappedWire, line: Line, direction: 'in' | 'out', octets: Uint8Array): void {
    const flow = line[direction];
    const dissector = line.dissector!;
    const all = flow.rest.length === 0 ? octets : Buffer.concat([flow.rest, octets]);
    let at = Math.min(flow.skip, all.length);
    flow.skip -= at;
    while (at < all.length) {
      const length = dissector.length(all, at, all.length);
      const left = all.length - at;
      if (length === undefined && left <= GATHER_BYTES) break;
      const whole = length ?? left;
      if (whole > left && whole <= GATHER_BYTES) break;
      this.packet(wire, line, direction, all.subarray(at, at + Math.min(whole, left)), whole);
      flow.skip = Math.max(0, whole - left);
      at += Math.min(whole, left);
    }
    flow.rest = all.slice(at);
  }

  private packet(
    wire: TappedWire,
    line: Line,
    direction: 'in' | 'out',
    bytes: Uint8Array,
    length: number,
  ): void {
    const who = this.whoAt(wire);
    const { name, topic, topics, fields, octets } = this.dissect(line.dissector!, bytes, direction);
    const packet: TracedPacket = {
      at: this.hub.now(),
      direction,
      protocol: wire.protocol,
      ...(who !== undefined && { client: who.client }),
      remote: wire.remote,
      listener: wire.listener,
      name,
      ...(topic !== undefined && { topic }),
      ...(topics !== undefined && { topics }),
      length,
      octets: Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('base64'),
      cut: length > SHOWN_BYTES,
      fields,
    };
    if (who !== undefined) this.show(packet, who);
    else this.hold(wire, line, packet);
  }

  private dissect(dissector: Dissector, bytes: Uint8Array, direction: 'in' | 'out'): Dissected {
    const all = dissector.dissect(bytes, direction);
    if (all.octets.length <= SHOWN_BYTES) return all;
    const fields = all.fields.filter(({ from = 0 }) => from < SHOWN_BYTES);
    return { ...all, fields, octets: all.octets.subarray(0, SHOWN_BYTES) };
  }

  /** Until somebody logs in there, a packet may be anybody's; who looks at topics alone sees it at once. */
  private hold(wire: TappedWire, line: Line, packet: TracedPacket): void {
    for (const viewer of this.viewers)
      if (viewer.query.client === undefined && isAbout(viewer.query, packet)) viewer.see(packet);
    if (wire.client !== undefined || line.held.length >= HELD_PACKETS) return;
    line.held.push(packet);
    if (this.held.size < HELD_LINES) this.held.set(wire.remote, line);
  }

  private show(packet: TracedPacket, who: Who): void {
    for (const { query, see } of this.viewers) if (isFor(query, who) && isAbout(query, packet)) see(packet);
  }
}

function isFor({ client }: TraceQuery, who: Who): boolean {
  return client === undefined || (client.client === who.client && client.protocol === who.protocol);
}

function isAbout({ topic }: TraceQuery, packet: TracedPacket): boolean {
  if (topic === undefined) return true;
  if (packet.topic !== undefined && matchesTopic(topic, packet.topic)) return true;
  return packet.topics?.some((one) => matchesTopic(topic, one)) === true;
}
