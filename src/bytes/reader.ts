// Reads back what a Writer wrote.

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Throws RangeError when the octets end early: a record was damaged. */
export class Reader {
  private readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  get ended(): boolean {
    return this.at >= this.bytes.length;
  }

  u8(): number {
    if (this.at >= this.bytes.length) throw new RangeError('the record ends early');
    return this.bytes[this.at++]!;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const b = this.u8();
      value += (b & 0x7f) * scale;
      if (b < 0x80) return value;
      scale *= 0x80;
    }
  }

  f64(): number {
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    const value = view.getFloat64(this.at);
    this.at += 8;
    return value;
  }

  /** A view into the record. */
  octets(): Uint8Array {
    const length = this.varint();
    const end = this.at + length;
    if (end > this.bytes.length) throw new RangeError('the record ends early');
    const view = this.bytes.subarray(this.at, end);
    this.at = end;
    return view;
  }

  text(): string {
    const length = this.varint();
    const end = this.at + length;
    if (end > this.bytes.length) throw new RangeError('the record ends early');
    const start = this.at;
    this.at = end;
    if (length < 32) {
      // Short ASCII without a view and a decoder: 40 vs 250 ns for a topic of 20 octets.
      let text = '';
      let at = start;
      for (; at < end && this.bytes[at]! < 0x80; at++) text += String.fromCharCode(this.bytes[at]!);
      if (at === end) return text;
    }
    return decoder.decode(this.bytes.subarray(start, end));
  }
}
