// Stream management (XEP-0198): what was sent and is not acknowledged, and what was received.

interface Sent {
  readonly stanza: Uint8Array;
  readonly settle: (() => void) | undefined;
}

const MODULUS = 2 ** 32; // [XEP-0198-4]

export class Acks {
  /** Stanzas of the other side that were taken care of. */
  handled = 0;
  /** `<r/>` is out and not answered. */
  asked = false;
  /** Octets that wait to be acknowledged. */
  bytes = 0;
  /** How many the other side says that it took. */
  private acknowledged = 0;
  private waiting: Sent[] = [];

  /** The other side has taken `h` in all, and knows nothing of what was sent behind. */
  resumed(h: number): void {
    this.acknowledged = h;
    this.waiting = [];
    this.bytes = 0;
    this.asked = false;
  }

  get size(): number {
    return this.waiting.length;
  }

  take(): void {
    this.handled = (this.handled + 1) % MODULUS;
  }

  add(stanza: Uint8Array, settle: (() => void) | undefined): void {
    this.waiting.push({ stanza, settle });
    this.bytes += stanza.length;
  }

  /** The other side has taken `h` in all. False: that is more than was sent. */
  acknowledge(h: number): boolean {
    const count = (h - this.acknowledged + MODULUS) % MODULUS;
    if (count > this.waiting.length) return false;
    this.acknowledged = h;
    for (const { stanza, settle } of this.waiting.splice(0, count)) {
      this.bytes -= stanza.length;
      settle?.();
    }
    return true;
  }

  /** What has to be sent again, in order. */
  unacknowledged(): Uint8Array[] {
    return this.waiting.map(({ stanza }) => stanza);
  }

  /** A count as it is written, or undefined when it is none. */
  static count(text: string | undefined): number | undefined {
    if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
    const h = Number(text);
    return h < MODULUS ? h : undefined;
  }
}
