// A packet taken apart: every octet belongs to one named field, in order, and none is left over.

/** Which kind of field, for its colour. */
export type PartKind = 'header' | 'id' | 'topic' | 'property' | 'flags' | 'payload' | 'rest';

export interface Part {
  readonly kind: PartKind;
  readonly name: string;
  readonly value: string;
  readonly octets: Uint8Array;
}

const text = new TextDecoder();

/** Cuts parts off the front of a packet. Throws RangeError when the packet ends within one. */
export class Knife {
  readonly parts: Part[] = [];
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  peek(ahead = 0): number {
    const octet = this.bytes[this.at + ahead];
    if (octet === undefined) throw new RangeError('the packet ends here, too early');
    return octet;
  }

  cut(
    kind: PartKind,
    name: string,
    length: number,
    value: string | ((octets: Uint8Array) => string),
  ): Uint8Array {
    if (length > this.left) throw new RangeError(`${name}: the packet ends too early`);
    const octets = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    this.parts.push({ kind, name, octets, value: typeof value === 'string' ? value : value(octets) });
    return octets;
  }

  number(kind: PartKind, name: string, length: number, unit = ''): number {
    return numberOf(this.cut(kind, name, length, (o) => `${numberOf(o)}${unit}`));
  }

  text(kind: PartKind, name: string, length: number): string {
    return textOf(this.cut(kind, name, length, textOf));
  }

  /** Two octets of length, then so many of text or octets: one part. */
  counted(kind: PartKind, name: string, value: (octets: Uint8Array) => string = textOf): Uint8Array {
    const length = this.peek() * 256 + this.peek(1);
    return this.cut(kind, name, 2 + length, (o) => value(o.subarray(2))).subarray(2);
  }

  payload(): void {
    if (this.left > 0) this.cut('payload', 'Payload', this.left, octetCount);
  }
}

/** Runs `dissect`; what it could not read is a part by itself. */
export function partsOf(bytes: Uint8Array, dissect: (knife: Knife) => void): Part[] {
  const knife = new Knife(bytes);
  let why = 'more than the packet needs';
  try {
    dissect(knife);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    why = error.message;
  }
  if (knife.left > 0) knife.cut('rest', 'The rest', knife.left, why);
  return knife.parts;
}

export function numberOf(octets: Uint8Array): number {
  let n = 0;
  for (const octet of octets) n = n * 256 + octet;
  return n;
}

export function textOf(octets: Uint8Array): string {
  return text.decode(octets);
}

export function octetCount(octets: Uint8Array): string {
  return octets.length === 1 ? '1 octet' : `${octets.length} octets`;
}

export function hexNumber(n: number): string {
  return `0x${n.toString(16).padStart(2, '0')}`;
}

export function hexOf(octets: Uint8Array): string {
  let hex = '';
  for (const octet of octets) hex += (hex === '' ? '' : ' ') + octet.toString(16).padStart(2, '0');
  return hex;
}
