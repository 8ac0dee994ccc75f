// The HTTP callback: a service of one's own says who may come in and what it may do; remembered for a while, closed when it fails.

import { createHmac, randomBytes } from 'node:crypto';
import type { Login } from '../contract/auth.ts';
import { NEVER } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import { ANONYMOUS } from './acl.ts';
import { aclOf, ClaimFault, groupsOf } from './claims.ts';
import { isPrincipal, type Proven, type Prover } from './prover.ts';
import { Requests } from './requests.ts';

export interface CallbackOptions {
  readonly url: string;
  /** Sent with each question, such as an `Authorization` of the hub's own. */
  readonly headers: Readonly<Record<string, string>>;
  readonly caFile: string | undefined;
  readonly timeoutMs: number;
  /** How long an answer is remembered; 0: not at all. */
  readonly cacheMs: number;
  /** The same for a refusal. */
  readonly refusalMs: number;
  /** A proof that names no end of its own lasts so long; NEVER: as long as the connection. */
  readonly lastsMs: number;
  /** Questions under way at once; others wait. */
  readonly concurrency: number;
  now(): number;
  log(level: 'warn' | 'debug', text: string): void;
}

/** Answers that are remembered, and logins that wait for their turn. */
const MAX_CACHED = 10_000;
const MAX_WAITING = 2_000;
const MAX_ANSWER_BYTES = 262_144;
/** The same complaint is logged once in this time. */
const COMPLAINT_MS = 60_000;

interface Remembered {
  readonly answer: Proven | Outcome | undefined;
  readonly until: number;
}

export class CallbackProver implements Prover {
  readonly name = 'http';
  private readonly o: CallbackOptions;
  private readonly requests: Requests;
  private readonly secret = randomBytes(32);
  private readonly cache = new Map<string, Remembered>();
  private readonly asking = new Map<string, Promise<Proven | Outcome | undefined>>();
  private readonly waiting: (() => void)[] = [];
  private active = 0;
  private complainedAt = Number.NEGATIVE_INFINITY;

  constructor(o: CallbackOptions) {
    this.o = o;
    this.requests = new Requests(o.url, { caFile: o.caFile, connections: o.concurrency });
  }

  /** What was remembered is asked for again. */
  async reload(): Promise<void> {
    this.cache.clear();
  }

  close(): void {
    this.requests.close();
  }

  async prove(login: Login): Promise<Proven | Outcome | undefined> {
    const question = questionOf(login);
    // Passwords are not kept in memory in the clear.
    const key = createHmac('sha256', this.secret).update(question).digest('base64');
    const known = this.cache.get(key);
    if (known !== undefined && known.until > this.o.now()) return known.answer;
    // A thousand connections with the same proof ask once.
    let asked = this.asking.get(key);
    if (asked === undefined) {
      if (this.waiting.length >= MAX_WAITING) return 'busy';
      asked = this.inTurn(question, login)
        .then((answer) => this.remember(key, answer))
        .finally(() => this.asking.delete(key));
      this.asking.set(key, asked);
    }
    return asked;
  }

  private async inTurn(question: string, login: Login): Promise<Proven | Outcome | undefined> {
    if (this.active >= this.o.concurrency) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.active++;
    try {
      return await this.ask(question, login);
    } catch (why) {
      this.complain((why as Error).message);
      return 'unavailable'; // never let in because nobody could be asked
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.active--;
      else next(); // hands its place on
    }
  }

  private async ask(question: string, login: Login): Promise<Proven | Outcome | undefined> {
    const { headers, timeoutMs } = this.o;
    const { status, body } = await this.requests.ask({
      method: 'POST',
      headers: { ...headers, 'Content-Type': 'application/json', Accept: 'application/json' },
      body: question,
      timeoutMs,
      maxBytes: MAX_ANSWER_BYTES,
    });
    if (status === 401 || status === 403) return 'bad-credentials';
    if (status !== 200) throw new Error(`it answers ${status}`);
    return this.answerOf(JSON.parse(body.toString('utf8')) as unknown, login);
  }

  private answerOf(answer: unknown, login: Login): Proven | Outcome | undefined {
    const said = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<string, unknown>;
    switch (said.result) {
      case 'deny':
        return 'bad-credentials';
      case 'ignore':
        return undefined;
      case 'allow':
        return {
          principal: nameOf(said.user, login),
          groups: groupsOf(said.groups),
          acl: aclOf(said.acl),
          validUntil: this.endOf(said),
        };
      default:
        throw new ClaimFault("'result' must be allow, deny or ignore");
    }
  }

  private endOf({ expiresAt, expiresIn }: Record<string, unknown>): number {
    const now = this.o.now();
    if (expiresAt !== undefined) return seconds('expiresAt', expiresAt) * 1_000;
    if (expiresIn !== undefined) return now + seconds('expiresIn', expiresIn) * 1_000;
    return this.o.lastsMs === NEVER ? NEVER : now + this.o.lastsMs;
  }

  private remember(key: string, answer: Proven | Outcome | undefined): Proven | Outcome | undefined {
    const { cacheMs, refusalMs, now } = this.o;
    if (answer === 'unavailable') return answer;
    const proven = typeof answer === 'object';
    const until = now() + (proven ? cacheMs : refusalMs);
    this.cache.delete(key);
    this.cache.set(key, { answer, until: proven ? Math.min(until, answer.validUntil) : until });
    if (this.cache.size > MAX_CACHED) this.cache.delete(this.cache.keys().next().value!);
    return answer;
  }

  private complain(why: string): void {
    const now = this.o.now();
    const level = now - this.complainedAt < COMPLAINT_MS ? 'debug' : 'warn';
    if (level === 'warn') this.complainedAt = now;
    this.o.log(level, `the authentication service fails, so nobody whom it should judge comes in: ${why}`);
  }
}

function nameOf(said: unknown, { username }: Login): string {
  const name = said ?? username;
  if (name === undefined || name === '') return ANONYMOUS;
  if (!isPrincipal(name)) throw new ClaimFault("'user' is no usable name");
  return name;
}

function seconds(name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw new ClaimFault(`'${name}' must be a number of seconds`);
  return value;
}

/** What the service is asked, as JSON. */
function questionOf({ username, password, client, protocol, listener, remote, wire }: Login): string {
  const { certificate, pskIdentity } = wire;
  return JSON.stringify({
    username: username ?? null,
    password: password === undefined ? null : textOf(password),
    client,
    protocol,
    listener,
    address: remote.slice(0, Math.max(0, remote.lastIndexOf(':'))),
    certificate:
      certificate === undefined
        ? null
        : { commonName: certificate.commonName, fingerprint: certificate.fingerprint },
    pskIdentity: pskIdentity ?? null,
  });
}

/** As text; octets that are none, in base64 with the prefix that says so. */
function textOf(octets: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    return `base64:${Buffer.from(octets).toString('base64')}`;
  }
}
