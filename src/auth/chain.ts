// The engine that asks: certificates and keys, users with passwords, tokens and a service in a chain, and one list of rules for all.

import { randomBytes } from 'node:crypto';
import type { Action, Auth, Exchange, ExchangeStep, Identity, Login } from '../contract/auth.ts';
import { NEVER } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import { Acl, type AclModel, ANONYMOUS, type Asker, type RuleView } from './acl.ts';
import { parseAcl } from './acl-text.ts';
import { type PasswordOptions, Passwords } from './passwords.ts';
import type { Proven, Prover } from './prover.ts';
import { parsePsk } from './psk.ts';
import { DEFAULT_ITERATIONS, isMechanism, MECHANISMS, ScramExchange, type ScramMechanism } from './scram.ts';
import { readText, TextFault } from './text.ts';
import { looksLikeToken } from './token.ts';
import { nameFault, parseUsers, readUsersText, scramOf, type User } from './users.ts';

export interface ChainOptions {
  readonly usersFile?: string;
  /** With it, or with `acl`, what no rule allows is denied; without both, whoever may enter may do everything. */
  readonly aclFile?: string;
  /** Rules from the configuration, beside those of the file. */
  readonly acl?: AclModel;
  readonly pskFile?: string;
  /** Who is asked, in this order: the users file, or what proves elsewhere. Default: the users file. */
  readonly chain?: readonly ('users' | Prover)[];
  /** Rules may name groups that no file knows, as where proofs bring them. Default: where the chain has what brings them. */
  readonly foreign?: boolean;
  /** Who says no name may enter as `anonymous`; by listener, or everywhere. Default: no. */
  readonly anonymous?: boolean | ((listener: string) => boolean);
  /** A verified client certificate's common name is the user; no password is asked. By listener, or everywhere. Default: no. */
  readonly certificateIsUser?: boolean | ((listener: string) => boolean);
  readonly passwords?: PasswordOptions;
}

/** What the files say, read together so that a reload changes all of it or nothing. */
interface Rules {
  readonly users: ReadonlyMap<string, User> | undefined;
  readonly usualIterations: number;
  /** The mechanisms that some user has a credential for. */
  readonly scram: ReadonlySet<string>;
  readonly psk: ReadonlyMap<string, Uint8Array>;
  readonly acl: Acl | undefined;
}

type Proof = 'user' | 'psk' | 'key' | 'certificate' | 'anonymous' | 'jwt' | 'http';

/** Who may be one of several clients that hold the same identity object. */
interface Bearer {
  readonly proof: Proof;
  readonly principal: string;
  /** undefined: it is away, and nobody remembers. */
  readonly protocol: string | undefined;
  readonly listener: string | undefined;
  /** What the password was checked against: who changed it since is not that user any more. */
  readonly credential: string | undefined;
}

/** How many bearers keep an identity object that their clients share. */
const SHARED = 10_000;
const USERS_ALONE: readonly ('users' | Prover)[] = ['users'];

export class ChainAuth implements Auth {
  private rules: Rules;
  private options: ChainOptions;
  private readonly passwords: Passwords;
  private readonly secret = randomBytes(32);
  private readonly shared = new Map<string, ChainIdentity>();
  private generation = 1;

  private constructor(options: ChainOptions, rules: Rules) {
    this.options = options;
    this.rules = rules;
    this.passwords = new Passwords(options.passwords);
  }

  /** Reads the files. Rejects with TextFault for what is wrong in them, with Error when one cannot be read. */
  static async open(options: ChainOptions): Promise<ChainAuth> {
    return new ChainAuth(options, await load(options));
  }

  /** Reads the files again, or those of new options. When it rejects, what held before still holds. */
  async reload(options: Omit<ChainOptions, 'passwords'> = this.options): Promise<void> {
    this.rules = await load(options);
    this.options = options;
    this.shared.clear();
    this.generation++;
  }

  get epoch(): number {
    return this.generation;
  }

  private get chain(): readonly ('users' | Prover)[] {
    return this.options.chain ?? USERS_ALONE;
  }

  async identify(login: Login): Promise<Identity | Outcome> {
    const { certificate, pskIdentity, sealedBy } = login.wire;
    if (sealedBy !== undefined) return this.identity('key', sealedBy, login);
    if (certificate !== undefined && granted(this.options.certificateIsUser, login.listener)) {
      if (nameFault(certificate.commonName) !== undefined) return 'bad-credentials';
      return this.identity('certificate', certificate.commonName, login);
    }
    if (pskIdentity !== undefined && this.rules.psk.has(pskIdentity)) {
      return this.identity('psk', pskIdentity, login);
    }
    for (const link of this.chain) {
      const found = link === 'users' ? await this.byPassword(login) : await this.byProver(link, login);
      if (found !== undefined) return found;
    }
    const { username, password } = login;
    if (username === undefined && password === undefined) {
      if (!granted(this.options.anonymous, login.listener)) return 'not-authorized';
      return this.identity('anonymous', ANONYMOUS, login);
    }
    // As much work as for somebody who exists, so that it cannot be told who does.
    if (password !== undefined && this.rules.users !== undefined && !looksLikeToken(password)) {
      if ((await this.passwords.check(undefined, password)) === 'busy') return 'busy';
    }
    return 'bad-credentials';
  }

  /** Whoever is in the users file is judged by it alone. */
  private async byPassword(login: Login): Promise<Identity | Outcome | undefined> {
    const { username, password } = login;
    if (username === undefined || password === undefined) return undefined;
    const user = this.rules.users?.get(username);
    if (user?.hash === undefined || this.isForToken(password)) return undefined;
    const right = await this.passwords.check(user.hash, password);
    if (right === 'busy') return 'busy';
    // Looked up again: a reload may have changed the password while it was checked.
    if (!right || this.rules.users?.get(username)?.hash !== user.hash) return 'bad-credentials';
    return this.identity('user', username, login);
  }

  /** A token is no password, whatever the user name beside it. */
  private isForToken(password: Uint8Array): boolean {
    return this.chain.some((link) => link !== 'users' && link.name === 'jwt') && looksLikeToken(password);
  }

  private async byProver(prover: Prover, login: Login): Promise<Identity | Outcome | undefined> {
    const proven = await prover.prove(login);
    return typeof proven === 'object' ? this.bring(proven, prover, login) : proven;
  }

  exchange(mechanism: string, login: Login): Exchange | undefined {
    for (const link of this.chain) {
      if (link === 'users') {
        const scram = isMechanism(mechanism) ? this.scram(mechanism, login) : undefined;
        if (scram !== undefined) return scram;
        continue;
      }
      const passwordOf = link.mechanisms?.get(mechanism);
      if (passwordOf !== undefined)
        return { step: (message) => this.oneStep(link, login, passwordOf(message)) };
    }
    return undefined;
  }

  /** A mechanism whose first message is the whole proof. */
  private async oneStep(
    prover: Prover,
    login: Login,
    password: Uint8Array | undefined,
  ): Promise<ExchangeStep> {
    const found =
      password === undefined ? 'bad-credentials' : await this.byProver(prover, { ...login, password });
    if (typeof found === 'object') return { kind: 'done', identity: found, reply: undefined };
    return { kind: 'refused', why: found ?? 'bad-credentials' };
  }

  /** Offered as soon as somebody has a credential for it. */
  private scram(mechanism: ScramMechanism, login: Login): Exchange | undefined {
    const { users, scram, usualIterations } = this.rules;
    if (users === undefined || !scram.has(mechanism)) return undefined;
    const find = (name: string) => {
      const user = this.rules.users?.get(name);
      return user === undefined ? undefined : scramOf(user, mechanism);
    };
    const proved = (name: string) =>
      this.rules.users?.has(name) ? this.identity('user', name, login) : ('bad-credentials' as const);
    return new ScramExchange({ secret: this.secret, usualIterations, find, proved }, mechanism);
  }

  allows(who: Identity, client: string, action: Action, topicOrFilter: string): boolean {
    const { acl } = this.rules;
    const ours = who instanceof ChainIdentity ? who : undefined;
    if (ours !== undefined && !this.stands(ours)) return false;
    const own = ours?.own;
    if (acl === undefined && own === undefined) return true;
    // One object for several clients, and now, after a reload, rules that tell clients apart: its cached answers are for all of them.
    const one = ours?.several && acl?.byClient ? undefined : client;
    const asker = ours === undefined ? { principal: who.principal, client: one } : ours.asker(one);
    const verdicts = [acl?.verdict(asker, action, topicOrFilter), own?.verdict(asker, action, topicOrFilter)];
    return verdicts.includes('allow') && !verdicts.includes('deny');
  }

  /** Every rule about somebody, in order, with what it says. Empty without rules. */
  explain(asker: Asker, action: Action, topicOrFilter: string): RuleView[] {
    return this.rules.acl?.explain(asker, action, topicOrFilter) ?? [];
  }

  absent(principal: string): Identity | undefined {
    const { users, psk, acl } = this.rules;
    // Where it came in, and by what proof, is not known: a token may have brought rules of its own.
    if (acl?.byWire || this.chain.some((link) => link !== 'users')) return undefined;
    const away = (proof: Proof, credential?: string) => {
      const bearer = { proof, principal, protocol: undefined, listener: undefined, credential };
      return new ChainIdentity(this, bearer, false, NEVER, [], undefined);
    };
    const user = users?.get(principal);
    if (principal === ANONYMOUS) return away('anonymous');
    if (user !== undefined) return away('user', credentialOf(user));
    // Somebody whom a certificate, a token or a service proved: nothing is known of them until they come back.
    return psk.has(principal) ? away('psk') : undefined;
  }

  /** The key of a PSK identity, for the handshake. */
  pskKey(identity: string): Uint8Array | undefined {
    return this.rules.psk.get(identity);
  }

  /** Whether whoever was let in may do everything: nobody wrote rules, and the user is still there. */
  unrestricted(who: ChainIdentity): boolean {
    return this.rules.acl === undefined && who.own === undefined && this.stands(who);
  }

  stands(who: Identity): boolean {
    if (!(who instanceof ChainIdentity)) return true;
    const { proof, principal, credential } = who.bearer;
    if (proof === 'user') {
      const user = this.rules.users?.get(principal);
      return user !== undefined && credentialOf(user) === credential;
    }
    return proof !== 'psk' || this.rules.psk.has(principal);
  }

  /** The identity of somebody whom a prover knows. */
  private bring({ principal, groups, acl, validUntil }: Proven, prover: Prover, login: Login): ChainIdentity {
    const bearer = this.bearer(principal === ANONYMOUS ? 'anonymous' : prover.name, principal, login);
    return new ChainIdentity(this, bearer, false, validUntil, groups, acl);
  }

  private identity(proof: Proof, principal: string, login: Login): ChainIdentity {
    const bearer = this.bearer(proof, principal, login);
    // Permission caches may be keyed by the object alone: where rules tell clients apart, each has its own.
    if (this.rules.acl?.byClient) return new ChainIdentity(this, bearer, false, NEVER, [], undefined);
    const key = JSON.stringify(Object.values(bearer));
    let identity = this.shared.get(key);
    if (identity === undefined) {
      identity = new ChainIdentity(this, bearer, true, NEVER, [], undefined);
      if (this.shared.size < SHARED) this.shared.set(key, identity);
    }
    return identity;
  }

  private bearer(proof: Proof, principal: string, { protocol, listener }: Login): Bearer {
    const user = proof === 'user' ? this.rules.users?.get(principal) : undefined;
    const credential = user === undefined ? undefined : credentialOf(user);
    return { proof, principal, protocol, listener, credential };
  }
}

class ChainIdentity implements Identity {
  readonly bearer: Bearer;
  readonly validUntil: number;
  /** Clients with different ids may hold this object. */
  readonly several: boolean;
  /** The rules that came with its proof. */
  readonly own: Acl | undefined;
  private readonly groups: readonly string[];
  private readonly auth: ChainAuth;

  constructor(
    auth: ChainAuth,
    bearer: Bearer,
    several: boolean,
    validUntil: number,
    groups: readonly string[],
    own: Acl | undefined,
  ) {
    this.auth = auth;
    this.bearer = bearer;
    this.several = several;
    this.validUntil = validUntil;
    this.groups = groups;
    this.own = own;
  }

  get principal(): string {
    return this.bearer.principal;
  }

  /** Looked up, not kept: a reload may bring rules, or take the user away, while the client stays connected. */
  get unrestricted(): boolean {
    return this.auth.unrestricted(this);
  }

  asker(client: string | undefined): Asker {
    const { principal, protocol, listener } = this.bearer;
    return { principal, client, groups: this.groups, protocol, listener };
  }
}

/** Changes with the password. */
function credentialOf({ hash, scram, scramSha1 }: User): string {
  const keys = [scram, scramSha1].map((c) =>
    c === undefined ? '' : Buffer.from(c.storedKey).toString('base64'),
  );
  return [hash ?? '', ...keys].join(':');
}

function mechanismsOf(users: ReadonlyMap<string, User>): Set<string> {
  const all = [...users.values()];
  return new Set(MECHANISMS.filter((m) => all.some((user) => scramOf(user, m) !== undefined)));
}

/** The iterations that most SCRAM credentials have. */
function usualIterations(users: ReadonlyMap<string, User>): number {
  const count = new Map<number, number>();
  let usual = DEFAULT_ITERATIONS;
  for (const { scram } of users.values()) {
    if (scram === undefined) continue;
    const now = (count.get(scram.iterations) ?? 0) + 1;
    count.set(scram.iterations, now);
    if (now > (count.get(usual) ?? 0)) usual = scram.iterations;
  }
  return usual;
}

function granted(setting: boolean | ((listener: string) => boolean) | undefined, listener: string): boolean {
  return typeof setting === 'function' ? setting(listener) : (setting ?? false);
}

async function load(options: ChainOptions): Promise<Rules> {
  const faults: string[] = [];
  async function read<T>(parse: (text: string) => T, text: Promise<string>): Promise<T | undefined> {
    try {
      return parse(await text);
    } catch (why) {
      if (!(why instanceof TextFault)) throw why;
      faults.push(...why.faults);
      return undefined;
    }
  }
  const { usersFile, aclFile, pskFile } = options;
  // Tokens and services may say groups that no file has heard of.
  const foreign = options.foreign ?? options.chain?.some((link) => link !== 'users') ?? false;
  const users =
    usersFile === undefined
      ? undefined
      : await read((text) => parseUsers(text, usersFile), readUsersText(usersFile));
  const psk =
    pskFile === undefined
      ? undefined
      : await read(
          (text) => parsePsk(text, pskFile),
          readText(pskFile, 'PSK file', 'write one line `identity:hexkey` a device, or correct the path'),
        );
  const written =
    aclFile === undefined
      ? undefined
      : await read(
          (text) => parseAcl(text, aclFile, foreign),
          readText(
            aclFile,
            'ACL file',
            'write it, starting with `all` and `allow both #`, or correct the path',
          ),
        );
  if (faults.length > 0) throw new TextFault(faults);
  const models = [options.acl, written].filter((model) => model !== undefined);
  return {
    users,
    usualIterations: usualIterations(users ?? new Map()),
    scram: mechanismsOf(users ?? new Map()),
    psk: psk ?? new Map(),
    acl: models.length === 0 ? undefined : new Acl(merged(models), foreign),
  };
}

function merged(models: readonly AclModel[]): AclModel {
  const groups: Record<string, string[]> = Object.create(null);
  for (const model of models) {
    for (const [name, members] of Object.entries(model.groups ?? {})) {
      groups[name] = [...(groups[name] ?? []), ...members];
    }
  }
  return { rules: models.flatMap((model) => model.rules), groups };
}
