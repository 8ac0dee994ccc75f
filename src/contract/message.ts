// The Message: what is published once and delivered many times, in any protocol.

export type Qos = 0 | 1 | 2;

/** Who published: protocol name, client id and authenticated principal. Never taken from the message itself. */
export interface Origin {
  readonly protocol: string;
  readonly client: string;
  readonly principal: string;
}

/** A universally unique id that arrived as such (AMQP 1.0), kept apart from 16 plain octets. */
export interface Uuid {
  readonly uuid: string;
}

/** Identifiers keep the type that they arrived with. */
export type Id = string | Uint8Array | bigint | Uuid;

/** One user or application property. Order and duplicates are kept; `section` says where it came from, if that matters. */
export interface UserProperty {
  readonly name: string;
  readonly value: string | number | bigint | boolean | Uint8Array;
  readonly section?: string;
}

/**
 * How the publisher's protocol wrote what surrounds the payload, for receivers of the same dialect: it is given back to them octet by octet.
 */
export interface Wrapping {
  readonly dialect: string;
  /** Whoever puts another payload between them leaves the wrapping out. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** The payload stands between the two; false: `before` is all of it, and the payload a rendering for other dialects. */
  readonly around: boolean;
}

/** The properties of a message that survive a crossing between protocols. Absent means that nobody said. */
export interface Meta {
  readonly contentType?: string;
  readonly contentEncoding?: string;
  /** True: the payload is UTF-8 text; false: octets without a stated meaning. */
  readonly text?: boolean;
  readonly responseTopic?: string;
  readonly correlation?: Id;
  readonly messageId?: Id;
  /** 0 (lowest) to 255. */
  readonly priority?: number;
  /** Creation time in ms since 1970, as the publisher says. */
  readonly createdAt?: number;
  readonly groupId?: string;
  readonly groupSequence?: number;
  readonly user?: readonly UserProperty[];
  readonly wrapping?: Wrapping;
}

/** One way to write a message down. `encode` must depend on the message alone: its result is cached under `slot`. */
export interface Dialect {
  readonly slot: number;
  encode(m: Message): Uint8Array;
}

let slots = 0;

/** A fresh cache slot, for a Dialect constant. */
export function dialectSlot(): number {
  return slots++;
}

/** `expiresAt` of a message that never expires. */
export const NEVER = Number.POSITIVE_INFINITY;

/** A published message. Immutable; `payload` belongs to it and is never written again. */
export class Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  /** The publisher asked to keep it as the topic's last value; on delivery, whether it comes from there is told apart. */
  readonly retain: boolean;
  readonly origin: Origin;
  /** When the hub took it, ms since 1970. */
  readonly at: number;
  /** When it stops being worth delivering, ms since 1970, or NEVER. */
  readonly expiresAt: number;
  readonly meta: Meta | undefined;
  /** The dialect that it was first written down in, which is mostly the only one, has a place of its own; -1: none yet. */
  private firstSlot: number;
  private first: Uint8Array | undefined;
  private frames: (Uint8Array | undefined)[] | undefined;

  constructor(
    topic: string,
    payload: Uint8Array,
    qos: Qos,
    retain: boolean,
    origin: Origin,
    at: number,
    expiresAt: number,
    meta: Meta | undefined,
  ) {
    this.topic = topic;
    this.payload = payload;
    this.qos = qos;
    this.retain = retain;
    this.origin = origin;
    this.at = at;
    this.expiresAt = expiresAt;
    this.meta = meta;
    this.firstSlot = -1;
    this.first = undefined;
    this.frames = undefined;
  }

  /** The message in dialect `d`, encoded at most once. The octets are shared: copy before patching. */
  frame(d: Dialect): Uint8Array {
    if (this.firstSlot === d.slot) return this.first!;
    const known = this.frames?.[d.slot];
    if (known !== undefined) return known;
    const bytes = d.encode(this);
    // Encoding may have asked for another dialect, and that one came first.
    if (this.firstSlot < 0) {
      this.firstSlot = d.slot;
      this.first = bytes;
    } else {
      this.frames ??= [];
      this.frames[d.slot] = bytes;
    }
    return bytes;
  }
}
