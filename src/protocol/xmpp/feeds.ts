// What a resource is sent: what it subscribed to for this connection, and what comes to its user, who may be away.

import type { Consumer, Grant, Mailbox, Settler, Subscription } from '../../contract/mailbox.ts';
import type { Message, Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { type Consumption, QUEUE_DEFAULTS, QUEUE_PREFIX, type WorkQueue } from '../../contract/queue.ts';
import { inboxName } from './address.ts';
import { resourceOf } from './map.ts';
import { directMessage, notification } from './notification.ts';
import type { Session } from './session.ts';

/**
 * Subscriptions of the full address fill a mailbox that lasts as long as the session. Subscriptions of the bare address bind the
 * user's inbox, a work queue that gets direct messages too and waits for whichever resource is available next.
 */
export class Feeds {
  private readonly session: Session;
  private box: Mailbox | undefined = undefined;
  private readonly boxIntake: Intake;
  /** Undefined: the rules do not let this user have one. */
  readonly inbox: WorkQueue | undefined;
  private take: Consumption | undefined = undefined;
  private readonly inboxIntake: Intake;

  constructor(session: Session) {
    this.session = session;
    this.boxIntake = new Intake(session, undefined);
    const { access, anonymous, hub, jid } = session;
    const { queueMessages, sessionExpiryMs } = hub.limits;
    const queue = access.queue(inboxName(jid.local), {
      ...QUEUE_DEFAULTS,
      durable: !anonymous,
      exclusive: anonymous,
      expiresMs: sessionExpiryMs,
      maxMessages: queueMessages,
      overflow: 'drop-oldest',
    });
    this.inbox = typeof queue === 'string' ? undefined : queue;
    // The rules may have changed since.
    for (const filter of [...(this.inbox?.bindings() ?? [])])
      if (!access.may('subscribe', filter)) this.inbox?.unbind(filter);
    this.inboxIntake = new Intake(session, () => this.take);
  }

  // --- the session's own subscriptions ---

  subscribe(filter: string): Outcome {
    const { limits } = this.session.hub;
    if (this.box === undefined) {
      this.box = this.session.access.mailbox(this.session.address, {
        fresh: true,
        keepMs: 0,
        capacity: limits.queueMessages,
        overflow: limits.overflow,
      });
      this.boxIntake.open = true;
      this.box.attach(this.boxIntake);
    }
    return this.box.subscribe(subscriptionTo(filter)).outcome;
  }

  /** Sends the last values that the filter matches. */
  replay(filter: string): void {
    this.box?.replay(subscriptionTo(filter));
  }

  unsubscribe(filter: string): Outcome {
    return this.box?.unsubscribe(filter) ?? 'no-subscription';
  }

  *filters(): Iterable<string> {
    for (const { filter } of this.box?.subscriptions() ?? []) yield filter;
  }

  has(filter: string): boolean {
    for (const own of this.filters()) if (own === filter) return true;
    return false;
  }

  // --- the user's inbox ---

  /** Takes from the inbox while the resource is available to everybody, and not otherwise. */
  attend(available: boolean): void {
    if (!available) {
      this.inboxIntake.open = false;
      this.take?.close();
      this.take = undefined;
    } else if (this.take === undefined && this.inbox !== undefined) {
      const take = this.inbox.consume(this.inboxIntake, { qos: 1, accepts: (m) => this.wants(m) });
      if (typeof take === 'string') return;
      this.take = take;
      this.inboxIntake.open = true;
      take.pull();
    }
  }

  get attending(): boolean {
    return this.take !== undefined && this.session.linked;
  }

  /** A direct message goes to the resource that it names, if that is here, or to one of the highest priority. [RFC6121-8.5.2] */
  private wants(m: Message): boolean {
    const { session } = this;
    const { registry, jid } = session;
    if (m.topic !== QUEUE_PREFIX + inboxName(jid.local)) return true;
    const named = resourceOf(m);
    if (named === jid.resource) return true;
    if (named !== undefined && registry.find(jid.local, named)?.feeds.attending === true) return false;
    const own = session.presence?.priority ?? 0;
    for (const other of registry.of(jid.local))
      if (other.feeds.attending && (other.presence?.priority ?? 0) > own) return false;
    return true;
  }

  /** A resource came, left or changed its priority: the others may take what was not theirs. */
  moved(): void {
    for (const session of this.session.registry.of(this.session.jid.local)) session.feeds.pull();
  }

  // --- both ---

  pull(): void {
    if (!this.session.linked) return;
    this.box?.pull();
    this.take?.pull();
  }

  close(): void {
    this.boxIntake.open = false;
    this.attend(false);
    this.box?.detach(this.boxIntake);
    this.box = undefined;
    this.moved();
  }
}

function subscriptionTo(filter: string): Subscription {
  return { filter, qos: 1, noLocal: false, tag: 0 };
}

class Intake implements Consumer {
  open = false;
  private readonly session: Session;
  /** Who settles what comes from a queue; a mailbox settles for itself. */
  private readonly taker: (() => Consumption | undefined) | undefined;

  constructor(session: Session, taker: (() => Consumption | undefined) | undefined) {
    this.session = session;
    this.taker = taker;
  }

  ready(): boolean {
    return this.open && this.session.ready;
  }

  deliver(
    m: Message,
    qos: Qos,
    _grant: Grant,
    replayed: boolean,
    id: number,
    again: boolean,
    box: Settler,
  ): void {
    const { session } = this;
    const counters = session.hub.counters.of('xmpp');
    counters.delivered[qos] = counters.delivered[qos]! + 1;
    const settler = this.taker === undefined ? box : this.taker();
    const settle = id === 0 ? undefined : () => settler?.settle(id, 'ok');
    if (m.topic === QUEUE_PREFIX + inboxName(session.jid.local)) {
      session.send(directMessage(session, m), settle);
      return;
    }
    session.send(notification(session, m, replayed), settle);
    if (this.taker !== undefined && !again) this.copy(m);
  }

  /** What the user subscribed to goes to every available resource; one of them answers for it. [RFC6121-8.5.2.1.1] */
  private copy(m: Message): void {
    const { session } = this;
    for (const other of session.registry.of(session.jid.local)) {
      if (other === session || !other.feeds.attending) continue;
      if (other.ready) other.send(notification(other, m, false));
      else session.hub.counters.drop('slow-consumer'); // its user has a resource that reads faster
    }
  }

  /** Runs are MQTT's. */
  take(): number {
    return 0;
  }

  evict(why: Outcome): void {
    this.session.evict(why);
  }
}
