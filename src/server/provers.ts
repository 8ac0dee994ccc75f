// What an `auth` block asks elsewhere: tokens' keys and the service over HTTP, kept over a reload that does not change them.

import { CallbackProver } from '../auth/callback.ts';
import type { Prover } from '../auth/prover.ts';
import { now } from '../transport/clock.ts';
import type { AuthConfig } from './config/schema.ts';
import type { Log } from './log.ts';

/** So long a fetch of keys may take. */
const FETCH_MS = 5_000;

interface Held {
  /** The settings that it was made from. */
  readonly said: string;
  readonly prover: Prover;
}

export class Provers {
  private readonly log: Log;
  private held = new Map<'jwt' | 'http', Held>();

  constructor(log: Log) {
    this.log = log;
  }

  /** The chain that `auth` describes. Rejects with what is wrong; then nothing has changed. */
  async chain(auth: AuthConfig): Promise<readonly ('users' | Prover)[]> {
    const next = new Map<'jwt' | 'http', Held>();
    const { jwt } = auth;
    const keys = [jwt.jwks, jwt.key, jwt.secret, jwt.secretFile];
    if (keys.some((said) => said !== undefined))
      next.set('jwt', await this.kept('jwt', jwt, () => this.openJwt(jwt)));
    if (auth.http.url !== undefined) {
      next.set('http', await this.kept('http', auth.http, async () => this.openCallback(auth.http)));
    }
    for (const [name, { prover }] of this.held) if (next.get(name)?.prover !== prover) prover.close();
    this.held = next;
    return auth.order.flatMap((name): ('users' | Prover)[] => {
      if (name === 'users') return [name];
      const held = next.get(name);
      return held === undefined ? [] : [held.prover];
    });
  }

  close(): void {
    for (const { prover } of this.held.values()) prover.close();
  }

  private async kept(name: 'jwt' | 'http', settings: object, open: () => Promise<Prover>): Promise<Held> {
    const said = JSON.stringify(settings, (_key, value) =>
      value === Number.POSITIVE_INFINITY ? 'never' : value,
    );
    const known = this.held.get(name);
    if (known?.said !== said) return { said, prover: await open() };
    await known.prover.reload();
    return known;
  }

  private async openJwt(jwt: AuthConfig['jwt']): Promise<Prover> {
    // Only those who take tokens pay for what checks them.
    const { JwtProver } = await import('../auth/jwt.ts');
    return JwtProver.open({
      secret: jwt.secret,
      secretFile: jwt.secretFile,
      keyFile: jwt.key,
      jwks: jwt.jwks,
      caFile: jwt.ca,
      refreshMs: jwt.refresh,
      timeoutMs: FETCH_MS,
      issuers: jwt.issuer ?? [],
      audiences: jwt.audience ?? [],
      algorithms: jwt.algorithms ?? [],
      userClaim: jwt.user,
      groupsClaim: jwt.groups,
      aclClaim: jwt.acl,
      clientClaim: jwt.client,
      requireExpiry: jwt.requireExpiry,
      leewayMs: jwt.leeway,
      now,
      log: (level, text) => this.log[level](text),
      debug: (text) => this.log.debug(text),
    });
  }

  private openCallback(http: AuthConfig['http']): Prover {
    return new CallbackProver({
      url: http.url!,
      headers: http.headers ?? {},
      caFile: http.ca,
      timeoutMs: http.timeout,
      cacheMs: http.cache,
      refusalMs: http.cacheRefusals,
      lastsMs: http.lasts,
      concurrency: http.concurrency,
      now,
      log: (level, text) => this.log[level](text),
    });
  }
}
