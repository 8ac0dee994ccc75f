// The ledger: what was sent, what the broker took on itself, what every subscriber got; and what of its promises is broken.

import type { Publish } from '../../src/protocol/mqtt/packet.ts';

/** One message, by its number within publisher and topic. */
interface Sent {
  readonly publisher: string;
  readonly topic: string;
  readonly number: number;
  readonly qos: 1 | 2;
  acknowledged: boolean;
}

/** Who must get everything of some topics. A group's members share one account. */
interface Account {
  readonly name: string;
  readonly covers: (topic: string) => boolean;
  /** Members of a group get messages side by side: no order between them. */
  readonly ordered: boolean;
  readonly got: Map<string, number>;
  readonly order: string[];
}

/** A broken promise a line; more of the same kind are only counted. */
const LINES_A_KIND = 3;

export class Ledger {
  /** What clients complained about. */
  readonly complaints: string[] = [];
  private readonly sent = new Map<string, Sent>();
  private readonly accounts: Account[] = [];
  private readonly numbers = new Map<string, number>();

  /** Enters a message that is about to be sent, and returns its tag, which is its payload too. */
  send(publisher: string, topic: string, qos: 1 | 2): string {
    const series = `${publisher} ${topic}`;
    const number = (this.numbers.get(series) ?? 0) + 1;
    this.numbers.set(series, number);
    const tag = `${series} ${number}`;
    this.sent.set(tag, { publisher, topic, number, qos, acknowledged: false });
    return tag;
  }

  /** The broker took it on itself. */
  acknowledged(tag: string): void {
    this.sent.get(tag)!.acknowledged = true;
  }

  /** Opens the account of one who subscribed before anything was sent to those topics. */
  account(name: string, covers: (topic: string) => boolean, ordered = true): (p: Publish) => void {
    const account: Account = { name, covers, ordered, got: new Map(), order: [] };
    this.accounts.push(account);
    return (p) => {
      const tag = new TextDecoder().decode(p.payload).trimEnd();
      if (!this.sent.has(tag)) {
        this.complaints.push(`${name} got '${tag}' at ${p.topic}, which nobody sent`);
        return;
      }
      const count = account.got.get(tag) ?? 0;
      account.got.set(tag, count + 1);
      if (count === 0) account.order.push(tag);
    };
  }

  /** Acknowledged messages that somebody has still to get. */
  get missing(): number {
    let count = 0;
    for (const account of this.accounts) for (const _ of this.lost(account)) count++;
    return count;
  }

  get size(): number {
    return this.sent.size;
  }

  get acknowledgedCount(): number {
    let count = 0;
    for (const { acknowledged } of this.sent.values()) if (acknowledged) count++;
    return count;
  }

  /** The last message of a series that was acknowledged: its number, 0 for none. */
  lastAcknowledged(publisher: string, topic: string): number {
    let last = 0;
    for (const s of this.sent.values()) {
      if (s.publisher === publisher && s.topic === topic && s.acknowledged && s.number > last)
        last = s.number;
    }
    return last;
  }

  /** Everything that was promised and not held; empty: all is well. */
  broken(): string[] {
    const found: string[] = [...few('complaint', this.complaints)];
    for (const account of this.accounts) {
      found.push(...few(`${account.name}: lost`, [...this.lost(account)]));
      found.push(...few(`${account.name}: more than once`, [...this.repeated(account)]));
      if (account.ordered) found.push(...few(`${account.name}: out of order`, [...this.disordered(account)]));
    }
    return found;
  }

  private *lost(account: Account): Iterable<string> {
    for (const [tag, s] of this.sent) {
      if (s.acknowledged && account.covers(s.topic) && !account.got.has(tag)) yield `'${tag}'`;
    }
  }

  private *repeated(account: Account): Iterable<string> {
    for (const [tag, count] of account.got)
      if (count > 1 && this.sent.get(tag)!.qos === 2) yield `'${tag}' ${count} times at QoS 2`;
  }

  /** First deliveries of one publisher to one topic come in the order that they were sent in. [MQTT5-4.6.0-6] */
  private *disordered(account: Account): Iterable<string> {
    const last = new Map<string, number>();
    for (const tag of account.order) {
      const { publisher, topic, number } = this.sent.get(tag)!;
      const series = `${publisher} ${topic}`;
      const before = last.get(series) ?? 0;
      if (number < before) yield `'${tag}' after ${before}`;
      else last.set(series, number);
    }
  }
}

function few(kind: string, lines: readonly string[]): string[] {
  const shown = lines.slice(0, LINES_A_KIND).map((line) => `${kind} ${line}`);
  if (lines.length > LINES_A_KIND) shown.push(`${kind}: ${lines.length} in all`);
  return shown;
}
