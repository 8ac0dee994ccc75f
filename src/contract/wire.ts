// The ports between a tower and the world: the Wire it writes to, the Peer that it is, the Protocol that opens peers.

import type { Hub } from './hub.ts';
import type { Departure } from './outcome.ts';

/** What the transport proved about the other side before the first byte. */
export interface WireIdentity {
  /** Verified client certificate: subject common name and SHA-256 fingerprint (hex, no colons). */
  readonly certificate?: { readonly commonName: string; readonly fingerprint: string };
  /** The TLS-PSK or DTLS-PSK identity that the handshake proved. */
  readonly pskIdentity?: string;
  /** The user whose key sealed what came (OSCORE). */
  readonly sealedBy?: string;
  /** The server name that the client asked for (SNI). */
  readonly serverName?: string;
}

/** Limits of the listener that a wire came through. Sizes in octets, times in ms. */
export interface WireLimits {
  readonly maxPacketBytes: number;
  /** From the first byte to a completed login. */
  readonly loginMs: number;
}

/** A block of memory that wires send from. Recycled when the last wire has sent its part. */
export interface Slab {
  readonly bytes: Uint8Array;
  /** How many spans of it are not sent yet. */
  refs: number;
}

/** Where outgoing octets are laid down before they leave: one bump allocator for all wires. */
export interface Slabs {
  /** The slab of the last `reserve`. */
  readonly current: Slab;
  /** Room for `length` octets in `current`, from the returned offset. Fill it before the event-loop turn ends. */
  reserve(length: number): number;
  /** Keeps a slab from being reused until it is released: for a copy that more than one wire will share. */
  retain(slab: Slab): void;
  release(slab: Slab): void;
}

/**
 * One connection, seen from the tower. Everything written in one event-loop turn leaves together, in order.
 * Writing to a wire that has ended does nothing.
 */
export interface Wire {
  /** The other side's address, `192.0.2.1:50312`; behind a proxy the one that the proxy told. */
  readonly remote: string;
  /** The listener's name in the configuration, `mqtt` or `mqtt-tls`. */
  readonly listener: string;
  readonly secure: boolean;
  /**
   * Datagrams: whether what arrives was sent to us alone (absent), or to a group, or whether nobody can tell. What is written goes to the
   * sender alone.
   */
  readonly sentTo?: 'us' | 'group' | 'either';
  readonly identity: WireIdentity;
  readonly limits: WireLimits;
  readonly slabs: Slabs;
  /** So much is unsent that the tower should hold back; `drained` tells when it is over. */
  readonly full: boolean;
  /** Octets accepted and not yet handed to the kernel. */
  readonly unsent: number;
  /** Carrier 'message': whether what is written leaves as text; the protocol's `text` until the peer says otherwise. */
  text?: boolean;
  /** The slab that the last `reserve` of this wire laid octets in. */
  readonly bytes: Uint8Array;
  /** Appends `length` octets to what leaves next; write them to `bytes` from the returned offset, at once. */
  reserve(length: number): number;
  /** Appends `bytes`: small ones are copied, large ones kept by reference, so never change them afterwards. */
  write(bytes: Uint8Array): void;
  /** Appends `slab.bytes[start..end)` by reference: a fan-out writes the same octets to many wires. */
  share(slab: Slab, start: number, end: number): void;
  /**
   * Begins TLS inside of the connection (STARTTLS), in the role that this side has, behind what was written; then `secure` and `identity`
   * say what the handshake proved, and what arrives are the octets inside. What a server writes before is lost, what a client writes waits.
   * A handshake that fails closes the wire. Absent where that cannot be done.
   */
  readonly secureUp?: (() => void) | undefined;
  /** Stops and restarts reading: backpressure towards the publisher. */
  pause(): void;
  resume(): void;
  /** Reads nothing for `ms`, whatever `pause` and `resume` say; a later call replaces an earlier one. Absent: it cannot. */
  hold?(ms: number): void;
  /** It is being held: what the peer leaves unread comes again afterwards. */
  readonly held?: boolean;
  /** Asks for one `peer.wake` at `at` (ms) or soon after; a later call replaces an earlier one; NEVER cancels. */
  wake(at: number): void;
  /** Sends what was written, then closes. `lost` follows. */
  end(): void;
  /** Closes at once and drops what was not sent. `lost` follows. */
  destroy(): void;
}

/** One connection's state machine. `now` is in ms since 1970 and never goes back. */
export interface Peer {
  /**
   * `bytes[start..end)` arrived. Returns the offset up to which they were consumed: the rest (at most 32 kB) comes again
   * in front of the next octets. The memory is the transport's: nothing may be kept without a copy.
   * Throws ProtocolError when the other side broke its protocol.
   */
  receive(bytes: Uint8Array, start: number, end: number, now: number): number;
  /** The wire, once full, has room again. */
  drained(now: number): void;
  /** The time asked for with `wire.wake` has come. */
  wake(now: number): void;
  /** The other side broke its protocol: say goodbye in the protocol's words, if it has any. The transport ends the wire after. */
  broken(why: Error, now: number): void;
  /** The transport is about to end the connection: why, for those who look on. */
  blamed?(why: Departure): void;
  /** The connection is gone; `graceful` when this side or an orderly close ended it. Called once, last. */
  lost(now: number): void;
}

export interface Protocol {
  readonly name: string;
  readonly carrier: 'stream' | 'datagram' | 'message';
  /** Carrier 'message': messages are UTF-8 text, unless the peer says otherwise (`Wire.text`). Carrier 'stream': over WebSocket, text frames are part of it too. */
  readonly text?: boolean;
  /** Whether a stream that starts with these octets speaks this protocol; several may share a port. 'never': whatever else comes, it does not. */
  matches?(first: Uint8Array): boolean | 'never';
  /** What a stream hears, before it is closed, that speaks none of the protocols of its port. */
  readonly header?: Uint8Array;
  open(wire: Wire, hub: Hub, now: number): Peer;
}
