// Local transactions: what is published and answered within one takes effect together, or not at all. [AMQP1-4]

import { ACCEPTED_STATE } from './answers.ts';
import { readComposite } from './composite.ts';
import { ValueReader } from './decode.ts';
import { LinkFault } from './fault.ts';
import type { AmqpLink, Sent, SessionHost } from './link.ts';
import {
  DECLARE,
  DECLARED,
  type DeliveryState,
  DISCHARGE,
  type Flow,
  MODIFIED,
  RECEIVER,
  REJECTED,
  type Transfer,
  VALUE,
} from './packet.ts';
import { Sections } from './sections.ts';
import { hexOf } from './values.ts';

/** Transactions of one connection, and what one may hold. */
const MAX_OPEN = 64;
const MAX_STEPS = 100_000;
const CREDIT = 100;
/** What a step takes besides its message. */
const STEP_BYTES = 64;

interface Answered {
  readonly sent: Sent;
  readonly state: DeliveryState | undefined;
  readonly settled: boolean;
}

/** One transaction. */
export class Transaction {
  readonly id: Uint8Array;
  private readonly weigh: (bytes: number) => void;
  private readonly publishes: (() => DeliveryState)[] = [];
  private readonly answered: Answered[] = [];
  private weight = 0;

  constructor(id: Uint8Array, weigh: (bytes: number) => void) {
    this.id = id;
    this.weigh = weigh;
  }

  /** Throws LinkFault when it is too large. */
  publish(bytes: number, perform: () => DeliveryState): void {
    this.publishes.push(perform);
    this.grow(bytes);
  }

  answer(answered: Answered): void {
    this.answered.push(answered);
    this.grow(0);
  }

  private grow(bytes: number): void {
    if (this.publishes.length + this.answered.length > MAX_STEPS)
      throw new LinkFault('amqp:resource-limit-exceeded', 'the transaction is too large');
    this.weight += bytes + STEP_BYTES;
    this.weigh(bytes + STEP_BYTES);
  }

  /** All of it is one batch of the store. What was refused, if anything was. */
  commit(): DeliveryState {
    this.letGo();
    let refused: DeliveryState | undefined;
    for (const perform of this.publishes) {
      const state = perform();
      if (state.kind === REJECTED) refused ??= state;
    }
    for (const { sent, state, settled } of this.answered) sent.link.outcome(sent, state, settled);
    return refused ?? ACCEPTED_STATE;
  }

  /** What the client has settled already goes back; of the rest it is as if nothing was said. */
  rollback(): void {
    this.letGo();
    const failed: DeliveryState = { kind: MODIFIED, deliveryFailed: true };
    for (const { sent, settled } of this.answered) if (settled) sent.link.outcome(sent, failed, true);
  }

  private letGo(): void {
    this.weigh(-this.weight);
    this.weight = 0;
  }
}

/** The open transactions of one connection. */
export class Transactions {
  private readonly open = new Map<string, Transaction>();
  private readonly weigh: (bytes: number) => void;
  private next = 1;

  constructor(weigh: (bytes: number) => void) {
    this.weigh = weigh;
  }

  /** Undefined: there are too many. */
  declare(): Transaction | undefined {
    if (this.open.size >= MAX_OPEN) return undefined;
    const n = this.next++;
    const id = Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
    const made = new Transaction(id, this.weigh);
    this.open.set(hexOf(id), made);
    return made;
  }

  /** Throws LinkFault when there is none of that id. */
  named(id: Uint8Array | undefined): Transaction {
    const found = id === undefined ? undefined : this.open.get(hexOf(id));
    if (found === undefined)
      throw new LinkFault('amqp:transaction:unknown-id', 'there is no such transaction');
    return found;
  }

  take(id: Uint8Array | undefined): Transaction {
    const found = this.named(id);
    this.open.delete(hexOf(found.id));
    return found;
  }

  has({ id }: Transaction): boolean {
    return this.open.has(hexOf(id));
  }

  clear(): void {
    this.open.clear();
  }
}

/** The link by which a client declares and discharges transactions. Those that it has not discharged end with it. [AMQP1-4.2] */
export class CoordinatorLink implements AmqpLink {
  readonly handle: number;
  readonly name: string;
  readonly role = RECEIVER;
  state: 'attached' | 'closing' = 'attached';
  private readonly session: SessionHost;
  private readonly declared: Transaction[] = [];
  private deliveryCount: number;
  private credit = 0;

  constructor(session: SessionHost, handle: number, name: string, deliveryCount: number) {
    this.session = session;
    this.handle = handle;
    this.name = name;
    this.deliveryCount = deliveryCount;
  }

  start(): void {
    this.pull();
  }

  flow(f: Flow): void {
    if (f.echo === true) this.sayFlow();
  }

  pull(): void {
    if (this.state !== 'attached' || this.credit > CREDIT / 2) return;
    this.credit = CREDIT;
    this.sayFlow();
  }

  private sayFlow(): void {
    const { handle, deliveryCount, credit } = this;
    this.session.flow({ handle, deliveryCount, linkCredit: credit });
  }

  transfer(t: Transfer, bytes: Uint8Array, start: number, end: number): void {
    if (t.deliveryId === undefined || t.more === true)
      throw new LinkFault('amqp:invalid-field', 'a message for the coordinator is one frame');
    this.credit--;
    this.deliveryCount = (this.deliveryCount + 1) >>> 0;
    const state = this.perform(new Sections(bytes.slice(start, end)));
    // Discharged is said once all of it is kept.
    if (t.settled !== true) this.session.answers.add(t.deliveryId, this.session.host.access.due, state, true);
    this.pull();
  }

  private perform(sections: Sections): DeliveryState {
    const [part] = sections.body;
    if (sections.bodyKind !== VALUE || part === undefined)
      throw new LinkFault('amqp:invalid-field', 'a message for the coordinator has a value');
    const asked = readComposite(new ValueReader(sections.bytes, part.at, part.end), [DECLARE, DISCHARGE]) as
      | { kind: number; globalId?: unknown; txnId?: Uint8Array; fail?: boolean }
      | undefined;
    const { transactions } = this.session.host;
    if (asked?.kind === DECLARE) {
      if (asked.globalId !== undefined)
        return rejected('amqp:not-implemented', 'there are no distributed transactions');
      const made = transactions.declare();
      if (made === undefined)
        return rejected('amqp:resource-limit-exceeded', 'too many transactions are open');
      this.declared.push(made);
      return { kind: DECLARED, txnId: made.id };
    }
    const ended = transactions.take(asked?.txnId);
    this.declared.splice(this.declared.indexOf(ended), 1);
    if (asked?.fail !== true) return ended.commit();
    ended.rollback();
    return ACCEPTED_STATE;
  }

  release(): void {
    const { transactions } = this.session.host;
    for (const one of this.declared) if (transactions.has(one)) transactions.take(one.id).rollback();
  }
}

function rejected(condition: string, description: string): DeliveryState {
  return { kind: REJECTED, error: { condition, description } };
}
