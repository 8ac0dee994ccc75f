// A client of the hub that the tower itself is: it reads what nobody's login may read, and is allowed everything.

import type { Access, Guest, Hub } from '../../contract/hub.ts';
import type { Consumer, Grant, Mailbox, Settler } from '../../contract/mailbox.ts';
import { type Message, NEVER, type Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';

/** The protocol name of the hub's own clients. */
const PROTOCOL = 'hub';

/** Subscribed to one filter, the retained messages first. One a hub and purpose, made when it is first needed. */
export abstract class Desk implements Guest, Consumer {
  protected readonly hub: Hub;
  private access: Access | undefined;
  private box: Mailbox | undefined;

  constructor(hub: Hub) {
    this.hub = hub;
  }

  /** Called for each message; those that are retained already come before `open` returns. */
  protected abstract hear(m: Message): void;
  /** The hub stops, or took the desk away. */
  protected abstract closed(): void;

  /** Whether it works; tries once more if it did not. */
  open(client: string, filter: string): boolean {
    if (this.box !== undefined) return true;
    const login = {
      protocol: PROTOCOL,
      client,
      username: undefined,
      password: undefined,
      remote: '',
      listener: '',
      wire: {},
    };
    this.hub.admit(login, { principal: PROTOCOL, unrestricted: true, validUntil: NEVER }, this);
    if (this.access === undefined) return false;
    const box = this.access.mailbox(client, {
      fresh: true,
      keepMs: 0,
      capacity: this.hub.limits.queueMessages,
      overflow: 'drop-newest',
    });
    const subscription = { filter, qos: 1, noLocal: false, tag: 0 } as const;
    if (box.subscribe(subscription).outcome !== 'ok') return false;
    this.box = box;
    box.attach(this);
    box.replay(subscription);
    return true;
  }

  welcome(access: Access): void {
    this.access = access;
  }

  refuse(): void {
    this.access = undefined;
  }

  kept(): void {}

  evict(_why: Outcome): void {
    this.access = undefined;
    this.box = undefined;
    this.closed();
  }

  ready(): boolean {
    return true;
  }

  deliver(
    m: Message,
    _qos: Qos,
    _grant: Grant,
    _replayed: boolean,
    id: number,
    _again: boolean,
    box: Settler,
  ): void {
    if (id !== 0) box.settle(id, 'ok');
    this.hear(m);
  }

  take(): number {
    return 0;
  }
}
