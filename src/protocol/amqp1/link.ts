// What both kinds of link share: what they ask of their session and connection, and how a link is attached and detached.

import type { Access, Hub } from '../../contract/hub.ts';
import type { Message, Origin } from '../../contract/message.ts';
import type { Wire } from '../../contract/wire.ts';
import type { Answers } from './answers.ts';
import type { Transactions } from './coordinator.ts';
import type { AmqpError, Condition } from './fault.ts';
import type { Attach, DeliveryState, Detach, Disposition, Flow, Transfer } from './packet.ts';
import type { Termini } from './termini.ts';
import type { Transferring } from './transfer.ts';

/** The connection, as its sessions and links see it. */
export interface ConnectionHost {
  readonly hub: Hub;
  readonly wire: Wire;
  readonly access: Access;
  readonly origin: Origin;
  /** What the client calls itself: with a link's name it finds a terminus again. */
  readonly container: string;
  readonly username: string | undefined;
  readonly termini: Termini;
  readonly transactions: Transactions;
  /** The largest frame that the client takes. */
  readonly frameMax: number;
  readonly maxMessageBytes: number;
  readonly credit: number;
  readonly links: number;
  /** Links of all sessions. */
  readonly attached: number;
  readonly keptTicket: number;
  /** Memory is short: no more credit. */
  readonly pressed: boolean;
  /** Unfinished deliveries grew or shrank. Throws ConnectionFault when they are too much. */
  weigh(bytes: number): void;
  /** A frame with a performative alone. */
  write(channel: number, p: Attach | Flow | Disposition | Detach): void;
}

/** The session, as its links see it. */
export interface SessionHost {
  readonly host: ConnectionHost;
  readonly channel: number;
  /** Answers to what the client sent. */
  readonly answers: Answers;
  /** Settlements of what was sent to the client. */
  readonly settlements: Answers;
  /** The client's window and the wire have room, and no delivery is half sent. */
  readonly writable: boolean;
  nextDeliveryId(): number;
  send(transferring: Transferring): void;
  /** A delivery that the client answers. */
  expect(delivery: Sent): void;
  forget(deliveryId: number): void;
  /** A delivery of the client's, of which it will say that it has settled it. */
  await(deliveryId: number, settled: () => void): void;
  /** Says a link's flow state, with the session's. */
  flow(link: Pick<Flow, 'handle' | 'deliveryCount' | 'linkCredit' | 'drain' | 'available'>): void;
  /** Detaches a link because of a fault. */
  fail(link: AmqpLink, condition: Condition, why: string): void;
}

/** A delivery to the client that is not settled. */
export interface Sent {
  readonly deliveryId: number;
  /** Its outcome is known, and waits for the commit that makes it true. */
  decided: boolean;
  readonly link: { outcome(sent: Sent, state: DeliveryState | undefined, settled: boolean): void };
  readonly message: Message;
}

/**
 * States: attached —detach→ gone; attached —fault→ closing —detach→ gone. A link that is closing ignores what still comes for it.
 */
export interface AmqpLink {
  readonly handle: number;
  readonly name: string;
  /** Ours: RECEIVER takes what the client sends. */
  readonly role: boolean;
  state: 'attached' | 'closing';
  flow(f: Flow): void;
  transfer(t: Transfer, bytes: Uint8Array, start: number, end: number): void;
  /** Something that it waited for is kept, or the wire or window has room again. */
  pull(): void;
  /** No more of it. `closed`: its terminus is given up too. */
  release(closed: boolean): void;
}

export function detachOf(handle: number, closed: boolean, error: AmqpError | undefined): Detach {
  return { kind: 0x16, handle, closed, ...(error === undefined ? {} : { error }) };
}
