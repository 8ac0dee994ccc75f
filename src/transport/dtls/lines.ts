// All associations of one listener: found by address or connection id, begun at the door, replaced, moved, bounded in number.

import { randomBytes } from 'node:crypto';
import type { Port, Proof } from './association.ts';
import { HANDSHAKE, RECORD } from './codes.ts';
import { Door } from './door.ts';
import { RANDOM_BYTES } from './hello.ts';
import { HEADER_BYTES } from './record.ts';
import { type FirstHello, ServerAssociation, type ServerSettings } from './server.ts';

/** A place that datagrams come from and go to: an address with its port. */
export interface Remote {
  /** Different for every place. */
  readonly key: string;
}

/** What the lines ask of the world. */
export interface LinesPort<R extends Remote> {
  send(datagram: Uint8Array, to: R): void;
  /** Asks for one `wake` of this line; a later call replaces an earlier one; NEVER cancels. */
  wakeLater(line: Line<R>, at: number): void;
  /** Whether somebody who has proven its address may begin a handshake. */
  admits(from: R): boolean;
  /** It does. */
  began(line: Line<R>): void;
  opened(line: Line<R>, proof: Proof, now: number): void;
  received(line: Line<R>, content: Uint8Array, now: number): void;
  /** An open line has a new address, in `line.remote`. */
  moved(line: Line<R>, now: number): void;
  /** Called once, last, also for handshakes that came to nothing. */
  closed(line: Line<R>, why: string, graceful: boolean, now: number): void;
}

export interface LinesOptions {
  /** Handshakes at a time. Default: 1,000. */
  readonly maxHalfOpen?: number;
  /** The length of our connection ids; 0: none. Default: 8. */
  readonly connectionIdBytes?: number;
}

const DEFAULT_HALF_OPEN = 1_000;
const DEFAULT_CID_BYTES = 8;
/** When there are too many handshakes, one that has taken so long makes room. */
const SPARE_MS = 5_000;
/** To a new address goes at most so many times what came from it, until more comes from there. */
const UNPROVEN_FACTOR = 3;

export class Lines<R extends Remote> {
  private readonly port: LinesPort<R>;
  private readonly settings: ServerSettings;
  private readonly door: Door;
  private readonly maxHalfOpen: number;
  private readonly cidBytes: number;
  /** Handshakes, the oldest first. */
  private readonly halfOpen = new Map<string, Line<R>>();
  private readonly open = new Map<string, Line<R>>();
  private readonly byConnectionId = new Map<string, Line<R>>();
  private doorClosed = false;

  constructor(
    port: LinesPort<R>,
    settings: Omit<ServerSettings, 'connectionId'>,
    options: LinesOptions,
    now: number,
  ) {
    this.port = port;
    this.door = new Door(now);
    this.maxHalfOpen = options.maxHalfOpen ?? DEFAULT_HALF_OPEN;
    this.cidBytes = options.connectionIdBytes ?? DEFAULT_CID_BYTES;
    this.settings = this.cidBytes === 0 ? settings : { ...settings, connectionId: () => this.freeId() };
  }

  /** Lines that are open. */
  get size(): number {
    return this.open.size;
  }

  get handshakes(): number {
    return this.halfOpen.size;
  }

  receive(datagram: Uint8Array, from: R, now: number): void {
    if (datagram.length < HEADER_BYTES) return;
    const epoch = (datagram[3]! << 8) | datagram[4]!;
    if (datagram[0] === RECORD.tls12Cid) {
      const id = datagram.subarray(11, 11 + this.cidBytes);
      this.byConnectionId.get(idKey(id))?.receive(datagram, from, now);
      return;
    }
    const isHandshake = epoch === 0 && datagram[0] === RECORD.handshake;
    if (isHandshake && datagram[HEADER_BYTES] === HANDSHAKE.clientHello) {
      this.knocked(datagram, from, now);
      return;
    }
    // Both, as a repeated last flight has records of either epoch in one datagram. Each association drops what is not under its keys.
    const open = this.open.get(from.key);
    this.halfOpen.get(from.key)?.receive(datagram, from, now);
    open?.receive(datagram, from, now);
  }

  /** Nobody unknown comes in any more. */
  closeDoor(now: number): void {
    this.doorClosed = true;
    for (const line of [...this.halfOpen.values()]) line.close(now);
  }

  private knocked(datagram: Uint8Array, from: R, now: number): void {
    if (this.doorClosed) return;
    const knock = this.door.knock(datagram, from.key, now);
    if (knock.kind === 'answer') this.port.send(knock.datagram, from);
    if (knock.kind !== 'enter') return;
    // A copy that comes late, or that somebody recorded.
    if (this.open.get(from.key)?.begunBy(knock.first)) return;
    const before = this.halfOpen.get(from.key);
    if (before?.begunBy(knock.first)) {
      before.receive(datagram, from, now); // our answer to it was lost
      return;
    }
    // The cookie has shown that it comes from there: the device began anew. An open line stays until the new one is proven
    // [RFC6347-4.2.8].
    before?.abandon(now);
    if (!this.hasRoom(now) || !this.port.admits(from)) return;
    const line = new Line(this, this.port, this.settings, knock.first, from, now);
    this.halfOpen.set(from.key, line);
    this.port.began(line);
    line.begin(now);
    this.registerId(line);
  }

  private hasRoom(now: number): boolean {
    if (this.halfOpen.size < this.maxHalfOpen) return true;
    for (const oldest of this.halfOpen.values()) {
      if (now - oldest.begunAt < SPARE_MS) return false;
      oldest.abandon(now);
      return true;
    }
    return false;
  }

  private freeId(): Uint8Array {
    for (;;) {
      const id = randomBytes(this.cidBytes);
      if (!this.byConnectionId.has(idKey(id))) return id;
    }
  }

  private registerId(line: Line<R>): void {
    const id = line.association.ownCid;
    if (id.length > 0 && line.association.state !== 'closed') this.byConnectionId.set(idKey(id), line);
  }

  // ---- what lines tell

  /** @internal */
  lineOpened(line: Line<R>, now: number): void {
    this.halfOpen.delete(line.remote.key);
    this.open.get(line.remote.key)?.abandon(now);
    this.open.set(line.remote.key, line);
  }

  /** @internal */
  lineMoved(line: Line<R>, to: R, now: number): void {
    this.open.delete(line.remote.key);
    this.open.get(to.key)?.abandon(now);
    line.remote = to;
    this.open.set(to.key, line);
  }

  /** @internal */
  lineClosed(line: Line<R>): void {
    const { key } = line.remote;
    if (this.halfOpen.get(key) === line) this.halfOpen.delete(key);
    if (this.open.get(key) === line) this.open.delete(key);
    const id = idKey(line.association.ownCid);
    if (this.byConnectionId.get(id) === line) this.byConnectionId.delete(id);
  }
}

function idKey(id: Uint8Array): string {
  return Buffer.from(id).toString('latin1');
}

/** version | random */
function randomOf({ message }: FirstHello): Uint8Array {
  return message.body.slice(2, 2 + RANDOM_BYTES);
}

/** One association and where its other side is. */
export class Line<R extends Remote> implements Port {
  remote: R;
  readonly association: ServerAssociation;
  readonly begunAt: number;
  private readonly lines: Lines<R>;
  private readonly port: LinesPort<R>;
  /** The hello's, by which a repetition of it is known. */
  private readonly random: Uint8Array;
  /** Where the datagram that is being read came from, and its length. */
  private from: R;
  private length = 0;
  /** Octets that may go to a new address before more has come from there. */
  private allowance = Number.POSITIVE_INFINITY;

  constructor(
    lines: Lines<R>,
    port: LinesPort<R>,
    settings: ServerSettings,
    first: FirstHello,
    remote: R,
    now: number,
  ) {
    this.lines = lines;
    this.port = port;
    this.random = randomOf(first);
    this.remote = remote;
    this.from = remote;
    this.begunAt = now;
    this.association = new ServerAssociation(this, settings, first, now);
  }

  /** @internal */
  begin(now: number): void {
    this.association.begin(now);
    this.arm();
  }

  /** @internal Whether this handshake began with the same hello. */
  begunBy(other: FirstHello): boolean {
    return Buffer.compare(this.random, randomOf(other)) === 0;
  }

  /** @internal */
  receive(datagram: Uint8Array, from: R, now: number): void {
    const opening = this.association.state !== 'open';
    // A handshake is with one address.
    if (opening && from.key !== this.remote.key) return;
    this.from = from;
    this.length = datagram.length;
    this.association.receive(datagram, now);
    if (opening) this.arm();
  }

  wake(now: number): void {
    this.association.wake(now);
    this.arm();
  }

  private arm(): void {
    this.port.wakeLater(this, this.association.wakeAt);
  }

  /** What goes to the other side, if so much may go there; undefined: lost, as datagrams are. */
  seal(content: Uint8Array): Uint8Array | undefined {
    const datagram = this.association.seal(content);
    if (datagram === undefined || datagram.length > this.allowance) return undefined;
    this.allowance -= datagram.length;
    return datagram;
  }

  close(now: number): void {
    this.association.close(now);
  }

  abandon(now: number): void {
    this.association.abandon(now);
  }

  // ---- what the association tells

  send(datagram: Uint8Array): void {
    this.port.send(datagram, this.remote);
  }

  newest(now: number): void {
    if (this.from.key === this.remote.key) {
      this.allowance = Number.POSITIVE_INFINITY;
      return;
    }
    if (this.association.state !== 'open') return;
    // A strategy against forged addresses is required [RFC9146-6]: one copied record wins little, and two must win the race.
    this.allowance = UNPROVEN_FACTOR * this.length;
    this.lines.lineMoved(this, this.from, now);
    this.port.moved(this, now);
  }

  opened(proof: Proof, now: number): void {
    this.lines.lineOpened(this, now);
    this.port.opened(this, proof, now);
  }

  received(content: Uint8Array, now: number): void {
    this.port.received(this, content, now);
  }

  closed(why: string, graceful: boolean, now: number): void {
    this.lines.lineClosed(this);
    this.port.closed(this, why, graceful, now);
  }
}
