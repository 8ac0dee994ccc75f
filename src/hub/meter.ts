// How fast one client may publish: a bucket of messages and one of octets, each of a second's worth.

import type { Rates } from '../contract/hub.ts';

export class Meter {
  rates: Rates;
  private messages: number;
  private bytes: number;
  private at: number;

  constructor(rates: Rates, now: number) {
    this.rates = rates;
    this.messages = rates.messagesPerSecond;
    this.bytes = rates.bytesPerSecond;
    this.at = now;
  }

  /** Takes one message of `bytes`; what is not there is owed. */
  spend(bytes: number): void {
    this.messages--;
    this.bytes -= bytes;
  }

  /** How long until another message may come, ms; 0: now. */
  wait(now: number): number {
    const { messagesPerSecond, bytesPerSecond } = this.rates;
    const seconds = Math.max(0, now - this.at) / 1_000;
    this.at = Math.max(this.at, now);
    this.messages = filled(this.messages, messagesPerSecond, seconds);
    this.bytes = filled(this.bytes, bytesPerSecond, seconds);
    // A whole message, but any octet: a message that is larger than a second's worth must pass too.
    const forMessage = this.messages >= 1 ? 0 : (1 - this.messages) / messagesPerSecond;
    const forBytes = this.bytes > 0 ? 0 : (1 - this.bytes) / bytesPerSecond;
    return Math.ceil(Math.max(forMessage, forBytes) * 1_000);
  }
}

/** `perSecond` Infinity: full, always. */
function filled(tokens: number, perSecond: number, seconds: number): number {
  return Number.isFinite(perSecond)
    ? Math.min(Math.max(perSecond, 1), tokens + seconds * perSecond)
    : Number.POSITIVE_INFINITY;
}
