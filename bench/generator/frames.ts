// The frames that the generator sends, and the marks in their payloads by which a receiver recognises each message.

/** 4 is MQTT 3.1.1, 5 is MQTT 5.0: the protocol level of CONNECT. */
export type Level = 4 | 5;
export type Qos = 0 | 1 | 2;

/** The smallest payload that has room for the marks. */
export const MIN_PAYLOAD_BYTES = 12;
/** In a payload longer than this, the first octet of every further page is marked too. */
export const PAGE_BYTES = 4096;
const TRAILER_MARK = 0x5a_c3_96_1e;

const encoder = new TextEncoder();

/** Remaining length, a variable byte integer of 1 to 4 octets. */
export function varint(value: number): number[] {
  const octets: number[] = [];
  do {
    const rest = value >>> 7;
    octets.push(rest > 0 ? (value & 127) | 128 : value & 127);
    value = rest;
  } while (value > 0);
  return octets;
}

const u16 = (value: number): number[] => [value >>> 8, value & 255];
const text = (value: string): number[] => {
  const octets = encoder.encode(value);
  return [...u16(octets.length), ...octets];
};
const frame = (head: number, body: number[]): Uint8Array =>
  Uint8Array.from([head, ...varint(body.length), ...body]);

/** CONNECT without keep alive. `durable`: the session outlives the connection. */
export function connectFrame(level: Level, clientId: string, durable: boolean): Uint8Array {
  // 0x11: session expiry interval, here for ever; a session ends with its connection in 3.1.1 when it is clean
  const properties = level === 4 ? [] : durable ? [5, 0x11, 255, 255, 255, 255] : [0];
  return frame(0x10, [...text('MQTT'), level, durable ? 0 : 2, 0, 0, ...properties, ...text(clientId)]);
}

export function subscribeFrame(
  level: Level,
  packetId: number,
  filters: readonly string[],
  qos: Qos,
): Uint8Array {
  const body = [...u16(packetId), ...(level === 5 ? [0] : [])];
  for (const filter of filters) body.push(...text(filter), qos);
  return frame(0x82, body);
}

export const DISCONNECT = Uint8Array.of(0xe0, 0);

export interface RingShape {
  readonly level: Level;
  readonly publisher: number;
  readonly qos: Qos;
  /** A power of two: how many frames. Frame `i` carries packet id `i + 1`. */
  readonly slots: number;
  readonly payloadBytes: number;
  /** Topics of one length; frame `i` goes to `topics[i % topics.length]`. */
  readonly topics: readonly string[];
  /** Every how many frames one is retained. 0: none. */
  readonly retainEvery: number;
}

/** PUBLISH frames back to back, all of one length, of which only the marks change from round to round. */
export interface Ring {
  readonly slots: number;
  readonly bytes: Uint8Array;
  readonly frameBytes: number;
  /** Where the topic, with its length, lies in each frame. */
  readonly topicAt: number;
  readonly topicBytes: number;
  /** Where the payload begins in each frame. */
  readonly payloadAt: number;
  readonly payloadBytes: number;
}

export function publishRing(shape: RingShape): Ring {
  const topicBytes = encoder.encode(shape.topics[0]!).length;
  const remaining =
    2 + topicBytes + (shape.qos > 0 ? 2 : 0) + (shape.level === 5 ? 1 : 0) + shape.payloadBytes;
  const length = varint(remaining);
  const frameBytes = 1 + length.length + remaining;
  const bytes = new Uint8Array(frameBytes * shape.slots);
  const payloadAt = frameBytes - shape.payloadBytes;
  for (let i = 0; i < shape.slots; i++) {
    // head | remaining length | topic | packet id, unless QoS 0 | no properties, in MQTT 5 | payload
    const retained = shape.retainEvery > 0 && i % shape.retainEvery === 0;
    const topic = text(shape.topics[i % shape.topics.length]!);
    if (topic.length !== topicBytes + 2) throw new Error('the topics of a ring have one length');
    const head = [0x30 | (shape.qos << 1) | (retained ? 1 : 0), ...length, ...topic];
    if (shape.qos > 0) head.push(...u16(i + 1));
    if (shape.level === 5) head.push(0);
    bytes.set(head, i * frameBytes);
    writeU32(bytes, i * frameBytes + payloadAt, shape.publisher);
  }
  const topicAt = 1 + length.length;
  return {
    slots: shape.slots,
    bytes,
    frameBytes,
    topicAt,
    topicBytes: 2 + topicBytes,
    payloadAt,
    payloadBytes: shape.payloadBytes,
  };
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** The octet that begins page `page` (1, 2, ...) of a long payload. */
export const pageMark = (sequence: number, page: number): number => (sequence + page) & 255;

/** The last octet of a payload: all of the trailer that a reader in pieces looks at. */
export const lastMark = (sequence: number): number => ((sequence ^ TRAILER_MARK) >>> 24) & 255;

/** Writes the sequence number into a payload that already names its publisher. */
export function mark(bytes: Uint8Array, at: number, length: number, sequence: number): void {
  // publisher u32 | sequence u32 | filler, marked at every page | sequence xor constant u32
  writeU32(bytes, at + 4, sequence);
  for (let page = 1; page * PAGE_BYTES < length - 4; page++) {
    bytes[at + page * PAGE_BYTES] = pageMark(sequence, page);
  }
  writeU32(bytes, at + length - 4, (sequence ^ TRAILER_MARK) >>> 0);
}

/** Whether the marks behind the sequence number are those that `mark` wrote for it. */
export function marked(bytes: Uint8Array, at: number, length: number, sequence: number): boolean {
  for (let page = 1; page * PAGE_BYTES < length - 4; page++) {
    if (bytes[at + page * PAGE_BYTES] !== pageMark(sequence, page)) return false;
  }
  return readU32(bytes, at + length - 4) === (sequence ^ TRAILER_MARK) >>> 0;
}
