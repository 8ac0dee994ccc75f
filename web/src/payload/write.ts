// What a person types as the octets of a payload: text, JSON, hex, Base64, and JSON written as CBOR or MessagePack.

export type PayloadFormat = 'text' | 'json' | 'hex' | 'base64' | 'cbor' | 'msgpack';

interface FormatFacts {
  readonly title: string;
  /** What the payload is then said to be. */
  readonly contentType: string;
}

export const PAYLOAD_FORMATS: Readonly<Record<PayloadFormat, FormatFacts>> = {
  text: { title: 'Text', contentType: '' },
  json: { title: 'JSON', contentType: 'application/json' },
  hex: { title: 'Hex', contentType: '' },
  base64: { title: 'Base64', contentType: '' },
  cbor: { title: 'CBOR, from JSON', contentType: 'application/cbor' },
  msgpack: { title: 'MessagePack, from JSON', contentType: 'application/msgpack' },
};

const utf8 = new TextEncoder();

/** Throws Error with a sentence for a person when `text` is not what `format` needs. */
export function writePayload(text: string, format: PayloadFormat): Uint8Array {
  switch (format) {
    case 'text':
      return utf8.encode(text);
    case 'json':
      json(text);
      return utf8.encode(text);
    case 'hex':
      return hex(text);
    case 'base64':
      return base64(text);
    case 'cbor':
      return Uint8Array.from(cbor(json(text)));
    case 'msgpack':
      return Uint8Array.from(messagePack(json(text)));
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`this is no JSON: ${(error as Error).message}`);
  }
}

function hex(text: string): Uint8Array {
  const pairs = text.replace(/\s+/g, '');
  if (!/^(?:[0-9a-f]{2})*$/i.test(pairs)) throw new Error('hex is pairs of 0-9 and a-f, such as 00 ff');
  return Uint8Array.from(pairs.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function base64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text.replace(/\s+/g, '')), (c) => c.charCodeAt(0));
  } catch {
    throw new Error('this is no Base64');
  }
}

/** A value as JSON has them, as CBOR [RFC8949-3]. */
function cbor(value: unknown): number[] {
  if (value === null) return [0xf6];
  if (typeof value === 'boolean') return [value ? 0xf5 : 0xf4];
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) return [0xfb, ...float(value)];
    return value < 0 ? cborHead(1, -1 - value) : cborHead(0, value);
  }
  if (typeof value === 'string') {
    const octets = utf8.encode(value);
    return [...cborHead(3, octets.length), ...octets];
  }
  if (Array.isArray(value)) return [...cborHead(4, value.length), ...value.flatMap(cbor)];
  const pairs = Object.entries(value as object);
  return [...cborHead(5, pairs.length), ...pairs.flatMap(([name, inner]) => [...cbor(name), ...cbor(inner)])];
}

/** Major type and argument, in the fewest octets [RFC8949-4.2.1]. */
function cborHead(major: number, n: number): number[] {
  const type = major << 5;
  if (n < 24) return [type | n];
  if (n < 0x100) return [type | 24, n];
  if (n < 0x1_0000) return [type | 25, ...unsigned(n, 2)];
  if (n < 0x1_0000_0000) return [type | 26, ...unsigned(n, 4)];
  return [type | 27, ...unsigned(n, 8)];
}

function messagePack(value: unknown): number[] {
  if (value === null) return [0xc0];
  if (typeof value === 'boolean') return [value ? 0xc3 : 0xc2];
  if (typeof value === 'number') return packNumber(value);
  if (typeof value === 'string') {
    const octets = utf8.encode(value);
    const n = octets.length;
    const head =
      n < 32
        ? [0xa0 | n]
        : n < 0x100
          ? [0xd9, n]
          : n < 0x1_0000
            ? [0xda, ...unsigned(n, 2)]
            : [0xdb, ...unsigned(n, 4)];
    return [...head, ...octets];
  }
  if (Array.isArray(value)) return [...packHead(0x90, 0xdc, value.length), ...value.flatMap(messagePack)];
  const pairs = Object.entries(value as object);
  const inner = pairs.flatMap(([name, one]) => [...messagePack(name), ...messagePack(one)]);
  return [...packHead(0x80, 0xde, pairs.length), ...inner];
}

function packHead(short: number, long: number, n: number): number[] {
  if (n < 16) return [short | n];
  return n < 0x1_0000 ? [long, ...unsigned(n, 2)] : [long + 1, ...unsigned(n, 4)];
}

function packNumber(n: number): number[] {
  if (!Number.isSafeInteger(n)) return [0xcb, ...float(n)];
  if (n >= 0) {
    if (n < 0x80) return [n];
    if (n < 0x100) return [0xcc, n];
    if (n < 0x1_0000) return [0xcd, ...unsigned(n, 2)];
    return n < 0x1_0000_0000 ? [0xce, ...unsigned(n, 4)] : [0xcf, ...unsigned(n, 8)];
  }
  if (n >= -32) return [n & 0xff];
  if (n >= -0x80) return [0xd0, n & 0xff];
  if (n >= -0x8000) return [0xd1, ...unsigned(n & 0xffff, 2)];
  if (n >= -0x8000_0000) return [0xd2, ...unsigned(n >>> 0, 4)];
  return [0xd3, ...octetsOf((view) => view.setBigInt64(0, BigInt(n)))];
}

function unsigned(n: number, length: number): number[] {
  return octetsOf((view) => view.setBigUint64(0, BigInt(n))).slice(8 - length);
}

function float(n: number): number[] {
  return octetsOf((view) => view.setFloat64(0, n));
}

function octetsOf(write: (view: DataView) => void): number[] {
  const view = new DataView(new ArrayBuffer(8));
  write(view);
  return [...new Uint8Array(view.buffer)];
}
