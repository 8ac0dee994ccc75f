// The hub: who is here, which mailboxes there are, and where each message goes.

import type { Exchange, Identity, Login } from '../contract/auth.ts';
import type { Bans } from '../contract/bans.ts';
import {
  Counters,
  type Guest,
  type HubLimits,
  type HubStats,
  type Kicked,
  type OwnedHub,
  type World,
} from '../contract/hub.ts';
import {
  type MailboxOptions,
  PRIVATE,
  type SubscribeResult,
  type Subscription,
} from '../contract/mailbox.ts';
import { type Message, NEVER } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import { type Death, QUEUE_DEFAULTS } from '../contract/queue.ts';
import type { Run } from '../contract/run.ts';
import { type AccessCore, clientKey } from './access.ts';
import { addressOf } from './address.ts';
import { type Box, Entry, type QueueLimits } from './box.ts';
import { Deadlines } from './deadlines.ts';
import { Group } from './group.ts';
import { HubInspection } from './inspection.ts';
import { Journal, key } from './journal.ts';
import { Logins } from './logins.ts';
import { type Held, isOwn, type MailboxHost, OwnBox } from './mailbox.ts';
import { Notes } from './notes.ts';
import { Queues, queueNameOf } from './queues.ts';
import { restore } from './restore.ts';
import { Retained } from './retained.ts';
import { mergedGrant, RouteTable, type Target, type TopicRoute } from './routes.ts';
import { literal, parseShare, type Share } from './share.ts';
import { Wills } from './wills.ts';
import { QueueBox, type QueueHost } from './work-queue.ts';

/** Topics whose receivers are remembered: at some 500 octets each, 64 MB at the most. */
const MAX_ROUTES = 131_072;

/** A hub that asks `world` for every effect. Call `start` first. */
export function createHub(world: World, limits: HubLimits, options: { lane?: boolean } = {}): OwnedHub {
  return new HubCore(world, limits, options.lane ?? true);
}

export class HubCore implements OwnedHub, MailboxHost, QueueHost {
  readonly world: World;
  limits: HubLimits;
  readonly counters = new Counters();
  readonly routes: RouteTable;
  readonly journal: Journal | undefined;
  readonly retained: Retained;
  readonly notes: Notes;
  readonly wills: Wills;
  readonly deadlines: Deadlines;
  readonly boxes = new Map<string, OwnBox>();
  readonly groups = new Map<string, Group>();
  readonly queues: Queues;
  /** Clients that wait for a commit. */
  readonly waiting = new Set<AccessCore>();
  /** Whether frames may be handed on as they are. */
  readonly lane: boolean;
  readonly clients = new Map<string, AccessCore>();
  readonly inspection = new HubInspection(this);
  readonly logins: Logins;
  private nextEntry = 1;
  private queuedBytes = 0;
  /** Of every `$share` group: nobody opens one anew, so what changes while they last must reach them. */
  private readonly groupLimits: QueueLimits;
  stopping = false;

  constructor(world: World, limits: HubLimits, lane: boolean) {
    this.world = world;
    this.limits = limits;
    this.lane = lane;
    this.routes = new RouteTable(MAX_ROUTES, limits.topicLevels);
    this.queues = new Queues(this);
    this.deadlines = new Deadlines((at) => world.wake(at));
    this.journal =
      world.store === undefined
        ? undefined
        : new Journal(world.store, world, (t, boxes) => this.kept(t, boxes));
    this.groupLimits = {
      get capacity() {
        return limits.queueMessages;
      },
      get bytes() {
        return limits.queueBytes;
      },
      get overflow() {
        return limits.overflow;
      },
    };
    this.retained = new Retained(this.deadlines, this.journal);
    this.notes = new Notes(this.journal);
    this.logins = new Logins(this);
    this.wills = new Wills(this.deadlines, this.journal, (m) => this.publish(m, undefined));
  }

  // --- the owner's side ---

  async start(): Promise<void> {
    if (this.journal !== undefined) restore(this, this.journal);
  }

  turn(): void {
    this.journal?.commit();
  }

  wake(now: number): void {
    this.deadlines.due(now);
  }

  async stop(): Promise<void> {
    this.stopping = true;
    for (const access of [...this.clients.values()]) {
      access.sendAway('shutting-down', true);
    }
    await this.journal?.flush();
  }

  get stats(): HubStats {
    let queuedMessages = 0;
    let unsettled = 0;
    let sessions = 0;
    for (const box of this.boxes.values()) {
      if (!box.name.startsWith(PRIVATE)) sessions++;
      queuedMessages += box.waiting;
      unsettled += box.unsettled;
    }
    for (const group of this.groups.values()) queuedMessages += group.waiting;
    for (const queue of this.queues.byName.values()) {
      queuedMessages += queue.waiting;
      unsettled += queue.unsettled;
    }
    return {
      clients: this.clients.size - (this.counters.protocols.get('hub')?.clients ?? 0),
      sessions,
      subscriptions: this.routes.filters.size,
      groups: this.groups.size,
      retained: this.retained.size,
      retainedBytes: this.retained.bytes,
      queuedMessages,
      unsettled,
      queuedBytes: this.queuedBytes,
      storeBytes: this.journal?.storeBytes ?? 0,
      commits: this.journal?.commits ?? 0,
      lastCommitMs: this.journal?.lastCommitMs ?? 0,
    };
  }

  /** A commit is through: what waited for it may be said. */
  private kept(ticket: number, boxes: ReadonlySet<Box>): void {
    for (const box of boxes) {
      box.pull();
      box.spill();
    }
    for (const access of this.waiting) {
      if (access.due === 0) this.waiting.delete(access);
      access.guest.kept(ticket);
    }
  }

  // --- logins ---

  login(login: Login, guest: Guest): void {
    this.logins.login(login, guest);
  }

  prove(login: Login): Promise<Identity | Outcome> {
    return this.logins.prove(login);
  }

  exchange(mechanism: string, login: Login): Exchange | undefined {
    return this.logins.exchange(mechanism, login);
  }

  admit(login: Login, identity: Identity, guest: Guest): void {
    this.logins.admit(login, identity, guest);
  }

  /** A name that nobody guesses: for a client or a queue that came without one. */
  newName(): string {
    let id = '';
    for (const octet of this.world.random(16)) id += octet.toString(16).padStart(2, '0');
    return `wm-${id}`;
  }

  left(access: AccessCore, graceful: boolean): void {
    if (this.clients.get(access.key) === access) this.clients.delete(access.key);
    this.logins.left(access);
    this.counters.of(access.protocol).clients--;
    for (const box of access.disownAll()) if (box.access === access) box.leave();
    for (const take of access.takes) take.close();
    for (const queue of access.exclusive) this.queues.end(queue);
    this.inspection.disconnected(access, graceful);
  }

  /** Sends a client away. False: nobody of that name is here. */
  disconnect(protocol: string, client: string): boolean {
    const access = this.clients.get(clientKey(protocol, client)) ?? this.relative(protocol, client);
    if (access === undefined) return false;
    access.sendAway('disconnected-by-admin', false);
    return true;
  }

  /** The client of a protocol whose family is called otherwise. */
  private relative(protocol: string, client: string): AccessCore | undefined {
    for (const access of this.clients.values())
      if (access.protocol === protocol && access.client === client) return access;
    return undefined;
  }

  kick({ client, user, address }: Kicked): number {
    return this.logins.sendAway(
      (access) =>
        (client === undefined || access.client === client) &&
        (user === undefined || access.identity.principal === user) &&
        (address === undefined || addressOf(access.remote) === address),
      'disconnected-by-admin',
    );
  }

  get bans(): Bans {
    return this.logins;
  }

  reauthorize(): void {
    this.logins.reauthorize();
  }

  retune(): void {
    for (const access of this.clients.values()) access.retune();
  }

  // --- mailboxes ---

  openMailbox(access: AccessCore, name: string, options: MailboxOptions): OwnBox {
    const boxKey = clientKey(access.family, name);
    let box = this.boxes.get(boxKey);
    const { principal, unrestricted } = access.identity;
    // Where users are told apart, a client id alone opens nobody's mailbox but one's own.
    const stranger = box !== undefined && box.principal !== principal && !unrestricted;
    if (box !== undefined && (options.fresh || stranger)) {
      this.endMailbox(box);
      box = undefined;
    }
    this.wills.cancel(boxKey); // it came back before its will was due; after a fresh start the will is sent already
    const limits = { capacity: options.capacity, bytes: this.limits.queueBytes, overflow: options.overflow };
    if (box === undefined) {
      box = new OwnBox(access.family, name, options.keepMs, limits, this);
      this.boxes.set(boxKey, box);
      if (options.keepMs > 0 && this.journal !== undefined) box.number = this.journal.number();
    } else {
      box.resumed = true;
      box.keepMs = options.keepMs;
      box.limits = limits;
      box.goneAt = 0;
      this.logins.withdraw(box, (filter) => access.maySubscribe(filter));
    }
    box.access = access;
    box.principal = principal;
    box.guard();
    access.owns(box);
    box.writeName();
    box.changed();
    return box;
  }

  abandoned(box: OwnBox): void {
    if (box.keepMs <= 0) {
      this.endMailbox(box);
      return;
    }
    const goneAt = this.now();
    box.goneAt = goneAt;
    box.writeName();
    this.watchExpiry(box);
  }

  /** Ends a mailbox that nobody comes back to. */
  watchExpiry(box: OwnBox): void {
    if (box.keepMs === NEVER) return;
    const { goneAt } = box;
    this.deadlines.add(goneAt + box.keepMs, () => {
      if (box.goneAt !== goneAt || this.boxes.get(clientKey(box.protocol, box.name)) !== box) return;
      this.counters.of(box.protocol).expired++;
      this.endMailbox(box);
    });
  }

  endMailbox(box: OwnBox): void {
    const boxKey = clientKey(box.protocol, box.name);
    if (this.boxes.get(boxKey) !== box) return;
    this.boxes.delete(boxKey);
    box.access?.disowns(box);
    for (const held of box.held.values()) this.letGo(box, held);
    box.end();
    this.wills.fire(boxKey, this.now());
  }

  subscribe(box: OwnBox, s: Subscription): SubscribeResult {
    const access = box.access;
    const share = parseShare(s.filter);
    const queueName = queueNameOf(share?.filter ?? s.filter);
    if (queueName !== undefined && (share !== undefined || !literal(queueName))) {
      return { outcome: 'filter-invalid', added: false }; // a queue is shared already, and taken from by its name
    }
    if (access !== undefined && !access.maySubscribe(share?.filter ?? s.filter)) {
      return { outcome: 'not-authorized', added: false };
    }
    const old = box.held.get(s.filter);
    if (old === undefined && box.held.size >= this.limits.subscriptionsPerClient) {
      return { outcome: 'quota-exceeded', added: false };
    }
    const outcome = this.hold(box, s, old?.record ?? (box.stored ? this.journal!.number() : 0), old);
    if (outcome !== 'ok') return { outcome, added: false };
    if (box.stored) box.writeHeld(box.held.get(s.filter)!);
    this.inspection.subscribed('subscribed', box.protocol, box.name, s.filter);
    return { outcome: 'ok', added: old === undefined };
  }

  /** Puts a subscription into the index, in place of `old`. */
  hold(box: OwnBox, s: Subscription, record: number, old: Held | undefined, groupNumber = 0): Outcome {
    const queueName = queueNameOf(s.filter);
    if (queueName !== undefined) return this.holdQueue(box, s, record, queueName);
    const share = parseShare(s.filter);
    if (share !== undefined) {
      const group = this.groupFor(share, box.stored, groupNumber);
      group.holders.add(box);
      box.hold({ subscription: s, entry: undefined, group, record });
      box.takePart(group, s);
      return 'ok';
    }
    const entry = new Entry(this.nextEntry++, box, s.filter, s.qos, s.noLocal, s.tag);
    if (old?.entry !== undefined) this.routes.remove(old.entry);
    this.routes.insert(entry);
    box.hold({ subscription: s, entry, group: undefined, record });
    return 'ok';
  }

  private holdQueue(box: OwnBox, s: Subscription, record: number, name: string): Outcome {
    const queue = this.queues.open(name, QUEUE_DEFAULTS, false);
    if (typeof queue === 'string') return queue;
    if (queue.owner !== undefined || queue.taken) return 'busy';
    queue.holders.add(box);
    box.hold({ subscription: s, entry: undefined, group: queue, record });
    box.takePart(queue, s);
    return 'ok';
  }

  /** The queue that `box` took from has ended: it takes from the next one of that name. */
  holdAgain(box: OwnBox, filter: string): void {
    const held = box.held.get(filter);
    if (held !== undefined) this.hold(box, held.subscription, held.record, held);
  }

  entryNumber(): number {
    return this.nextEntry++;
  }

  buried(queue: QueueBox, m: Message, why: Death): void {
    this.queues.bury(queue, m, why);
  }

  rested(): void {
    this.queues.deliverDead();
  }

  endQueue(queue: QueueBox): void {
    this.queues.end(queue);
  }

  private groupFor(share: Share, stored: boolean, number: number): Group {
    let group = this.groups.get(share.name);
    if (group === undefined) {
      group = new Group(share.name, this.groupLimits, this);
      group.entry = new Entry(this.nextEntry++, group, share.filter, 2, false, 0);
      group.number = number;
      this.groups.set(share.name, group);
      this.routes.insert(group.entry);
    }
    if (stored) group.store();
    return group;
  }

  unsubscribe(box: OwnBox, filter: string): Outcome {
    const held = box.held.get(filter);
    if (held === undefined) return 'no-subscription';
    box.held.delete(filter);
    this.letGo(box, held);
    this.inspection.subscribed('unsubscribed', box.protocol, box.name, filter);
    if (box.stored) this.journal!.remove(key('u', box.number, held.record));
    return 'ok';
  }

  private letGo(box: OwnBox, held: Held): void {
    if (held.entry !== undefined) this.routes.remove(held.entry);
    const { group } = held;
    if (group === undefined) return;
    group.holders.delete(box);
    group.part(box);
    if (group instanceof QueueBox) {
      group.settleDown();
      return;
    }
    if (group.holders.size > 0) return;
    this.groups.delete(group.name);
    this.routes.remove(group.entry!);
    group.end();
  }

  replay(box: OwnBox, s: Subscription): void {
    const grant = { qos: s.qos, tags: [s.tag] };
    this.retained.select(s.filter, this.now(), (m) => {
      if (!(s.noLocal && isOwn(m, box))) box.offer(m, grant, true);
    });
  }

  // --- messages ---

  /** Retains, matches and offers. `from` is undefined for what the hub itself publishes. */
  publish(m: Message, from: AccessCore | undefined): Outcome {
    const { journal } = this;
    const before = journal?.writes;
    const queueName = queueNameOf(m.topic);
    if (queueName !== undefined) {
      const outcome = this.queues.publish(queueName, m); // kept until somebody takes it, so never retained
      from?.waitsIf(before);
      return outcome;
    }
    if (m.retain) {
      const outcome = this.retained.set(m, this.limits.retainedMessages);
      if (outcome !== 'ok') return outcome;
    }
    const { targets } = this.routes.fanout(this.routes.byTopic(m.topic));
    for (const target of targets) this.offer(target, m);
    from?.waitsIf(before);
    return targets.length === 0 ? 'unmatched' : 'ok';
  }

  /** As `publish`, to what any of the topics leads to. */
  spread(m: Message, topics: readonly string[], from: AccessCore): Outcome {
    const before = this.journal?.writes;
    if (m.retain) {
      const outcome = this.retained.set(m, this.limits.retainedMessages);
      if (outcome !== 'ok') return outcome;
    }
    const met = new Set<Box>();
    let full = false;
    const put = (queue: QueueBox): void => {
      met.add(queue);
      if (queue.accept(m) !== 'ok') full = true;
    };
    for (const topic of topics) {
      const name = queueNameOf(topic);
      const queue = name === undefined ? undefined : this.queues.byName.get(name);
      if (queue !== undefined && !met.has(queue)) put(queue);
      if (name !== undefined) continue;
      for (const target of this.routes.fanout(this.routes.byTopic(topic)).targets) {
        if (met.has(target.box)) continue;
        if (target.box instanceof QueueBox) put(target.box);
        else {
          met.add(target.box);
          this.offer(target, m);
        }
      }
    }
    from.waitsIf(before);
    return full ? 'quota-exceeded' : met.size === 0 ? 'unmatched' : 'ok';
  }

  private offer(target: Target, m: Message): void {
    if (!target.noLocal || !isOwn(m, target.box)) {
      target.box.offer(m, target.grant, false);
      return;
    }
    const others = target.entries?.filter((entry) => !entry.noLocal) ?? []; // [MQTT5-3.8.3-3]
    if (others.length > 0) target.box.offer(m, mergedGrant(others), false);
  }

  relay(route: TopicRoute, run: Run, message: (i: number) => Message, from: AccessCore): Outcome {
    const { targets } = this.routes.fanout(route);
    if (targets.length === 0) return 'unmatched';
    const { journal } = this;
    const before = journal?.writes ?? 0;
    run.takers = targets.length;
    let messages: (Message | undefined)[] | undefined;
    for (const target of targets) {
      let taken = target.noLocal ? 0 : target.box.take(run, target.grant);
      if (taken === run.count || (run.qos === 0 && !target.box.attended)) continue;
      messages ??= new Array<Message | undefined>(run.count).fill(undefined);
      for (; taken < run.count; taken++) {
        messages[taken] ??= message(taken);
        this.offer(target, messages[taken]!);
      }
    }
    if (run.shared !== undefined) {
      run.shared.release();
      run.shared = undefined;
    }
    if (journal !== undefined && journal.writes !== before) from.waits();
    return 'ok';
  }

  // --- what boxes ask ---

  now(): number {
    return this.world.now();
  }

  bound(levels: string): boolean {
    return this.routes.filters.has(levels);
  }

  later(at: number, run: (now: number) => void): () => void {
    const deadline = this.deadlines.add(at, run);
    return () => {
      deadline.cancelled = true;
    };
  }

  random(length: number): Uint8Array {
    return this.world.random(length);
  }

  dropped(reason: string, count: number): void {
    this.counters.drop(reason, count);
  }

  weighed(bytes: number): void {
    this.queuedBytes += bytes;
  }

  get pressed(): boolean {
    return this.queuedBytes > this.limits.memoryBytes;
  }
}
