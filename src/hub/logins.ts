// Logins: who is refused at once, who is asked about, who comes in, and who is sent away when a proof or a right has gone.

import type { Exchange, ExchangeStep, Identity, Login } from '../contract/auth.ts';
import type { Ban, BanKind, Bans } from '../contract/bans.ts';
import type { Guest } from '../contract/hub.ts';
import { NEVER } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import { AccessCore, clientKey } from './access.ts';
import { addressOf } from './address.ts';
import { Addresses } from './addresses.ts';
import { BanList, isLoopback, networkOf } from './bans.ts';
import { Failures } from './failures.ts';
import type { HubCore } from './hub.ts';
import type { OwnBox } from './mailbox.ts';
import { parseShare } from './share.ts';
import { Validity } from './validity.ts';

/** What a banned client is told: in MQTT 5 it becomes 0x8A, Banned. */
const BANNED = 'disconnected-by-admin';

export class Logins implements Bans {
  readonly banned: BanList;
  private readonly hub: HubCore;
  private readonly addresses = new Addresses();
  private readonly failures = new Failures();
  /** Whose proof runs out (a token's expiry) is sent away then. */
  readonly validity: Validity;

  constructor(hub: HubCore) {
    this.hub = hub;
    this.banned = new BanList(hub.notes);
    this.validity = new Validity(hub.deadlines, (access, now) => {
      access.guest.evict('not-authorized');
      access.leave(false, now);
    });
  }

  // --- coming in ---

  login(login: Login, guest: Guest): void {
    const refusal = this.noRoomFor(login);
    if (refusal !== undefined) {
      guest.refuse(refusal);
      return;
    }
    this.prove(login)
      .then((result) =>
        typeof result === 'string' ? guest.refuse(result) : this.admit(login, result, guest),
      )
      .catch((why: Error) => {
        this.hub.world.log('error', `a defect ended the login of ${login.remote}: ${why}`, { err: why });
        guest.refuse('unavailable');
      });
  }

  /** Who it is, as the engine says; what fails is counted, and whoever is banned does not learn whether the proof was right. */
  async prove(login: Login): Promise<Identity | Outcome> {
    const ban = this.ban(login);
    if (ban !== undefined) return ban;
    try {
      const result = await this.hub.world.auth.identify(login);
      // Towers ask without a name, too, to know what to offer.
      if (login.username !== undefined || login.password !== undefined) this.note(login, result);
      return result;
    } catch (why) {
      this.hub.world.log('error', `cannot tell who is at ${login.remote}: ${why}`, { err: why });
      return 'unavailable';
    }
  }

  exchange(mechanism: string, login: Login): Exchange | undefined {
    const exchange = this.hub.world.auth.exchange(mechanism, login);
    if (exchange === undefined) return undefined;
    return {
      step: async (fromClient): Promise<ExchangeStep> => {
        // Whoever is banned does not learn whether the proof was right.
        const ban = this.ban(login);
        if (ban !== undefined) return { kind: 'refused', why: ban };
        const step = await exchange.step(fromClient);
        if (step.kind === 'refused') this.note(login, step.why);
        return step;
      },
    };
  }

  admit(login: Login, identity: Identity, guest: Guest): void {
    const { hub } = this;
    const refusal = this.noRoomFor(login) ?? this.ban({ ...login, username: identity.principal });
    if (refusal !== undefined) {
      guest.refuse(refusal);
      return;
    }
    const client = login.client === '' ? hub.newName() : login.client;
    const access = new AccessCore(hub, login, client, identity, guest);
    const earlier = hub.clients.get(access.key);
    earlier?.sendAway('taken-over', false); // [MQTT5-3.1.4-3]
    hub.clients.set(access.key, access);
    this.addresses.add(login.remote);
    const counters = hub.counters.of(login.protocol);
    counters.clients++;
    counters.clientsTotal++;
    this.validity.watch(access);
    hub.inspection.connected(access);
    guest.welcome(access);
  }

  private noRoomFor(login: Login): Outcome | undefined {
    const { limits, clients, stopping } = this.hub;
    if (stopping) return 'shutting-down';
    if (longer(login.client, limits.clientIdBytes)) return 'identifier-invalid';
    if (
      clients.size >= limits.connections &&
      !clients.has(clientKey(login.family ?? login.protocol, login.client))
    ) {
      return 'quota-exceeded';
    }
    const here = this.addresses.count(login.remote);
    return here >= limits.connectionsPerAddress ? 'quota-exceeded' : undefined;
  }

  // --- going ---

  left(access: AccessCore): void {
    this.addresses.remove(access.remote);
    this.validity.forget(access);
  }

  /** Sends away everybody for whom `goes` says so; returns how many. */
  sendAway(goes: (access: AccessCore) => boolean, why: Outcome): number {
    let count = 0;
    for (const access of [...this.hub.clients.values()]) {
      if (access.protocol === 'hub' || !goes(access)) continue;
      access.sendAway(why, false);
      count++;
    }
    return count;
  }

  /** The rules or users changed: who lost a subscription, or is no user any more, goes; mailboxes whose clients are away lose it too. */
  reauthorize(): void {
    const { auth } = this.hub.world;
    this.sendAway((access) => {
      let lost = auth.stands?.(access.identity) === false;
      for (const box of access.boxes) {
        lost = this.withdraw(box, (filter) => access.maySubscribe(filter)) || lost;
      }
      return lost;
    }, 'not-authorized');
    for (const box of this.hub.boxes.values())
      if (box.access === undefined || box.access.gone) this.review(box);
  }

  /** Takes from a mailbox that nobody attends what its owner may not read any more, as far as that can be told. */
  private review(box: OwnBox): void {
    const { auth } = this.hub.world;
    const known = box.access?.identity;
    const owner =
      known !== undefined && auth.stands?.(known) !== false ? known : auth.absent?.(box.principal);
    if (owner === undefined || owner.unrestricted) return;
    this.withdraw(box, (filter) => auth.allows(owner, box.name, 'subscribe', filter));
  }

  /** Ends the subscriptions of a mailbox that its owner may not have, or not any more. Whether there were any. */
  withdraw(box: OwnBox, may: (filter: string) => boolean): boolean {
    let lost = false;
    for (const filter of [...box.held.keys()]) {
      if (may(parseShare(filter)?.filter ?? filter)) continue;
      this.hub.unsubscribe(box, filter);
      lost = true;
    }
    return lost;
  }

  // --- bans ---

  list(): Ban[] {
    return [...this.banned.list(this.hub.now())];
  }

  add(kind: BanKind, value: string, until: number, why: string): Outcome {
    const outcome = this.banned.add({ kind, value, since: this.hub.now(), until, why, by: 'admin' });
    if (outcome === 'ok') this.sendAway((access) => concerns(kind, value, access), BANNED);
    return outcome;
  }

  remove(kind: BanKind, value: string): boolean {
    return this.banned.remove(kind, value);
  }

  private ban(login: Login): Outcome | undefined {
    const { remote, username, client } = login;
    return this.banned.holds(this.hub.now(), remote, username, client) ? BANNED : undefined;
  }

  /** Counts what failed; too much of it is a ban. */
  private note(login: Login, result: Identity | Outcome): void {
    const user = login.username ?? '';
    if (typeof result !== 'string') {
      this.failures.forget(`user ${user}`);
      return;
    }
    if (result !== 'bad-credentials') return;
    const { limits } = this.hub;
    const address = addressOf(login.remote);
    const fromHere = limits.failuresPerAddress ?? NEVER;
    const asUser = limits.failuresPerUser ?? NEVER;
    // Else anybody could have somebody else banned, with a wrong password in a datagram that says that it is from there.
    if (login.forgeable !== true && !isLoopback(address)) this.count('address', networkOf(address), fromHere);
    if (user !== '') this.count('user', user, asUser);
  }

  private count(kind: 'address' | 'user', value: string, most: number): void {
    const { limits, world } = this.hub;
    const now = this.hub.now();
    const withinMs = limits.failuresWithinMs ?? 60_000;
    if (most === NEVER || !this.failures.add(`${kind} ${value}`, most, withinMs, now)) return;
    const until = now + (limits.banMs ?? 300_000);
    if (this.banned.standing(kind, value, now)) return;
    const why = `${most} failed logins`;
    this.banned.add({ kind, value, since: now, until, why, by: 'hub' });
    world.log('warn', `banned ${kind} ${value} after ${why}`, { until: new Date(until).toISOString() });
  }
}

function concerns(kind: BanKind, value: string, { remote, identity, client }: AccessCore): boolean {
  if (kind === 'user') return identity.principal === value;
  if (kind === 'client') return client === value;
  const address = addressOf(remote);
  return address === value || networkOf(address) === value;
}

const encoder = new TextEncoder();

/** Whether `text` takes more than `bytes` octets of UTF-8. */
function longer(text: string, bytes: number): boolean {
  return text.length > bytes || (text.length * 3 > bytes && encoder.encode(text).length > bytes);
}
