// The engine over files: users with passwords, an access control list, pre-shared keys, and client certificates.

import { randomBytes } from 'node:crypto';
import type { Action, Auth, Exchange, Identity, Login } from '../contract/auth.ts';
import { NEVER } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import { Acl, type AclModel, ANONYMOUS } from './acl.ts';
import { parseAcl } from './acl-text.ts';
import { type PasswordOptions, Passwords } from './passwords.ts';
import { parsePsk } from './psk.ts';
import { DEFAULT_ITERATIONS, isMechanism, MECHANISMS, ScramExchange } from './scram.ts';
import { readText, TextFault } from './text.ts';
import { credentialOf, nameFault, parseUsers, readUsersText, type User } from './users.ts';

export interface FileAuthOptions {
  readonly usersFile?: string;
  /** With it, or with `acl`, what no rule allows is denied; without both, whoever may enter may do everything. */
  readonly aclFile?: string;
  /** Rules from the configuration, beside those of the file. */
  readonly acl?: AclModel;
  readonly pskFile?: string;
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

type Proof = 'user' | 'psk' | 'certificate' | 'anonymous';

/** How many principals keep an identity object that their clients share. */
const SHARED = 10_000;

export class FileAuth implements Auth {
  private rules: Rules;
  private options: FileAuthOptions;
  private readonly passwords: Passwords;
  private readonly secret = randomBytes(32);
  private readonly shared = new Map<string, FileIdentity>();
  private generation = 1;

  private constructor(options: FileAuthOptions, rules: Rules) {
    this.options = options;
    this.rules = rules;
    this.passwords = new Passwords(options.passwords);
  }

  /** Reads the files. Rejects with TextFault for what is wrong in them, with Error when one cannot be read. */
  static async open(options: FileAuthOptions): Promise<FileAuth> {
    return new FileAuth(options, await load(options));
  }

  /** Reads the files again, or those of new options. When it rejects, what held before still holds. */
  async reload(options: Omit<FileAuthOptions, 'passwords'> = this.options): Promise<void> {
    this.rules = await load(options);
    this.options = options;
    this.generation++;
  }

  get epoch(): number {
    return this.generation;
  }

  async identify(login: Login): Promise<Identity | Outcome> {
    const { certificate, pskIdentity } = login.wire;
    if (certificate !== undefined && granted(this.options.certificateIsUser, login.listener)) {
      if (nameFault(certificate.commonName) !== undefined) return 'bad-credentials';
      return this.identity('certificate', certificate.commonName);
    }
    if (pskIdentity !== undefined && this.rules.psk.has(pskIdentity)) {
      return this.identity('psk', pskIdentity);
    }
    const { username, password } = login;
    if (username === undefined && password === undefined) {
      if (!granted(this.options.anonymous, login.listener)) return 'not-authorized';
      return this.identity('anonymous', ANONYMOUS);
    }
    if (username === undefined || password === undefined) return 'bad-credentials';
    const hash = this.rules.users?.get(username)?.hash;
    const right = await this.passwords.check(hash, password);
    if (right === 'busy') return 'busy';
    // Looked up again: a reload may have changed the password while it was checked.
    if (!right || this.rules.users?.get(username)?.hash !== hash) return 'bad-credentials';
    return this.identity('user', username);
  }

  /** Offered as soon as somebody has a credential for it. */
  exchange(mechanism: string): Exchange | undefined {
    const { users, scram } = this.rules;
    if (users === undefined || !isMechanism(mechanism) || !scram.has(mechanism)) return undefined;
    const find = (name: string) => {
      const user = this.rules.users?.get(name);
      return user === undefined ? undefined : credentialOf(user, mechanism);
    };
    const server = {
      secret: this.secret,
      usualIterations: this.rules.usualIterations,
      find,
      proved: (name: string) =>
        this.rules.users?.has(name) ? this.identity('user', name) : 'bad-credentials',
    } as const;
    return new ScramExchange(server, mechanism);
  }

  allows(who: Identity, client: string, action: Action, topicOrFilter: string): boolean {
    const { acl } = this.rules;
    const ours = who instanceof FileIdentity ? who : undefined;
    if (ours !== undefined && !this.stands(ours.proof, ours.principal)) return false;
    if (acl === undefined) return true;
    // One object for several clients, and now, after a reload, rules that tell clients apart: its cached answers are for all of them.
    const one = ours?.several && acl.byClient ? undefined : client;
    return acl.allows({ principal: who.principal, client: one }, action, topicOrFilter);
  }

  /** The key of a PSK identity, for the handshake. */
  pskKey(identity: string): Uint8Array | undefined {
    return this.rules.psk.get(identity);
  }

  /** Whether whoever was let in may do everything: nobody wrote rules, and the user is still there. */
  unrestricted(proof: Proof, principal: string): boolean {
    return this.rules.acl === undefined && this.stands(proof, principal);
  }

  private stands(proof: Proof, principal: string): boolean {
    if (proof === 'user') return this.rules.users?.has(principal) ?? false;
    return proof !== 'psk' || this.rules.psk.has(principal);
  }

  private identity(proof: Proof, principal: string): FileIdentity {
    // Permission caches may be keyed by the object alone: where rules tell clients apart, each has its own.
    if (this.rules.acl?.byClient) return new FileIdentity(this, proof, principal, false);
    const key = `${proof} ${principal}`;
    let identity = this.shared.get(key);
    if (identity === undefined) {
      identity = new FileIdentity(this, proof, principal, true);
      if (this.shared.size < SHARED) this.shared.set(key, identity);
    }
    return identity;
  }
}

class FileIdentity implements Identity {
  readonly principal: string;
  readonly validUntil = NEVER;
  readonly proof: Proof;
  /** Clients with different ids may hold this object. */
  readonly several: boolean;
  private readonly auth: FileAuth;

  constructor(auth: FileAuth, proof: Proof, principal: string, several: boolean) {
    this.auth = auth;
    this.proof = proof;
    this.principal = principal;
    this.several = several;
  }

  /** Looked up, not kept: a reload may bring rules, or take the user away, while the client stays connected. */
  get unrestricted(): boolean {
    return this.auth.unrestricted(this.proof, this.principal);
  }
}

function mechanismsOf(users: ReadonlyMap<string, User>): Set<string> {
  const all = [...users.values()];
  return new Set(MECHANISMS.filter((m) => all.some((user) => credentialOf(user, m) !== undefined)));
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

async function load(options: FileAuthOptions): Promise<Rules> {
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
          (text) => parseAcl(text, aclFile),
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
    acl: models.length === 0 ? undefined : new Acl(merged(models)),
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
