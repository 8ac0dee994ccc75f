// Password hashes: argon2id, a few at a time, and not twice for the same proof.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** 4 MB of resident memory that a hub without users does not pay. */
const argon2 = () => import('@node-rs/argon2');

// OWASP's choice for argon2id (algorithm 2): 19 MiB, 2 passes, 1 lane. 14 ms a check.
const PARAMETERS = {
  algorithm: 2,
  memoryCost: 19_456,
  timeCost: 2,
  parallelism: 1,
};

export interface PasswordOptions {
  /** How many are computed at once: each takes 19 MiB and a thread of the pool that files and name look-ups need too. */
  readonly concurrency?: number;
  /** How many may wait; more are turned away. */
  readonly waiting?: number;
  /** How long a proof is remembered. */
  readonly rememberMs?: number;
  readonly remembered?: number;
  now?(): number;
}

export async function hashPassword(password: string | Uint8Array): Promise<string> {
  return (await argon2()).hash(password, PARAMETERS);
}

//                 kind    version   memory  passes lanes  salt       hash
const FORM = /^\$argon2(id|i|d)\$v=(16|19)\$m=(\d+),t=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/;

/** Whether `verifyPassword` understands the text. */
export function isPasswordHash(text: string): boolean {
  return FORM.test(text);
}

/** By hand, because the library's own `verify` rejects a password that is not UTF-8, and MQTT's may be any octets. */
async function verifyPassword(text: string, password: Uint8Array): Promise<boolean> {
  const found = FORM.exec(text);
  if (found === null) throw new Error('the password hash is damaged');
  const [, kind, version, memoryCost, timeCost, parallelism] = found;
  const expected = Buffer.from(found[7]!, 'base64');
  const { hashRaw } = await argon2();
  const actual = await hashRaw(password, {
    algorithm: ['d', 'i', 'id'].indexOf(kind!),
    version: version === '16' ? 0 : 1,
    memoryCost: Number(memoryCost),
    timeCost: Number(timeCost),
    parallelism: Number(parallelism),
    salt: Buffer.from(found[6]!, 'base64'),
    outputLen: expected.length,
  });
  return timingSafeEqual(actual, expected);
}

/**
 * Checks passwords. A thousand devices that reconnect at once cost one HMAC each: a right answer is remembered, as an HMAC of hash and
 * password under a key that never leaves this process, so that a new password makes it worthless. Wrong answers are not.
 */
export class Passwords {
  private readonly secret = randomBytes(32);
  private readonly proven = new Map<string, number>();
  private readonly running = new Map<string, Promise<boolean>>();
  private readonly queue: (() => void)[] = [];
  private active = 0;
  private stranger: Promise<string> | undefined;
  private readonly concurrency: number;
  private readonly waiting: number;
  private readonly rememberMs: number;
  private readonly remembered: number;
  private readonly now: () => number;
  /** How many hashes were computed. */
  computed = 0;

  constructor(options: PasswordOptions = {}) {
    this.concurrency = options.concurrency ?? 2;
    this.waiting = options.waiting ?? 2_000;
    this.rememberMs = options.rememberMs ?? 10 * 60_000;
    this.remembered = options.remembered ?? 10_000;
    this.now = options.now ?? Date.now;
  }

  /**
   * Whether `password` is the one behind `hash`; 'busy' when too many are being checked. `hash` undefined, an unknown user: false, after
   * as much work as for a known one.
   */
  async check(hash: string | undefined, password: Uint8Array): Promise<boolean | 'busy'> {
    this.stranger ??= hashPassword(randomBytes(32));
    const against = hash ?? (await this.stranger);
    const key = createHmac('sha256', this.secret)
      .update(against)
      .update('\0')
      .update(password)
      .digest('base64');
    const until = this.proven.get(key);
    if (until !== undefined && until > this.now()) return true;
    let result = this.running.get(key);
    if (result === undefined) {
      if (this.queue.length >= this.waiting) return 'busy';
      result = this.compute(against, password).finally(() => this.running.delete(key));
      this.running.set(key, result);
    }
    const right = (await result) && hash !== undefined;
    if (right) this.remember(key);
    return right;
  }

  private async compute(hash: string, password: Uint8Array): Promise<boolean> {
    if (this.active >= this.concurrency) await new Promise<void>((resolve) => this.queue.push(resolve));
    else this.active++;
    try {
      this.computed++;
      return await verifyPassword(hash, password);
    } finally {
      const next = this.queue.shift();
      if (next === undefined) this.active--;
      else next(); // hands its place on
    }
  }

  private remember(key: string): void {
    this.proven.delete(key);
    this.proven.set(key, this.now() + this.rememberMs);
    if (this.proven.size > this.remembered) this.proven.delete(this.proven.keys().next().value!);
  }
}
