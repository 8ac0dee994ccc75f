// JSON Web Tokens as passwords: their signature is checked here, and what they claim becomes groups and rules.

import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { Login } from '../contract/auth.ts';
import { NEVER } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import { PUBLIC_ALGORITHMS, SHARED_ALGORITHMS } from './algorithms.ts';
import { aclOf, ClaimFault, groupsOf } from './claims.ts';
import { type KeyOptions, Keys, KeysUnavailable } from './keys.ts';
import { isPrincipal, type Proven, type Prover } from './prover.ts';
import { looksLikeToken, MAX_TOKEN_BYTES } from './token.ts';

export interface JwtOptions extends KeyOptions {
  /** Accepted `iss` and `aud`; empty: any. */
  readonly issuers: readonly string[];
  readonly audiences: readonly string[];
  /** Empty: all that the keys can check. */
  readonly algorithms: readonly string[];
  /** The claims that say who it is, in which groups, and what it may do. */
  readonly userClaim: string;
  readonly groupsClaim: string;
  readonly aclClaim: string;
  /** A claim that must be the client id, so that a token serves one device; undefined: none. */
  readonly clientClaim: string | undefined;
  /** Tokens without `exp` are refused. */
  readonly requireExpiry: boolean;
  /** How far clocks may be apart. */
  readonly leewayMs: number;
  debug(text: string): void;
}

export class JwtProver implements Prover {
  readonly name = 'jwt';
  /** Azure's brokers call it OAUTH2-JWT; OAUTHBEARER wraps the token [RFC7628-3.1]. */
  readonly mechanisms = new Map([
    ['JWT', (message: Uint8Array) => message],
    ['OAUTH2-JWT', (message: Uint8Array) => message],
    ['OAUTHBEARER', bearerOf],
  ]);
  private readonly o: JwtOptions;
  private readonly keys: Keys;
  private readonly verifying: JWTVerifyOptions;

  private constructor(o: JwtOptions, keys: Keys) {
    this.o = o;
    this.keys = keys;
    const known = [
      ...(o.secret === undefined && o.secretFile === undefined ? [] : SHARED_ALGORITHMS),
      ...(o.keyFile === undefined && o.jwks === undefined ? [] : PUBLIC_ALGORITHMS),
    ];
    this.verifying = {
      algorithms: o.algorithms.length === 0 ? known : known.filter((name) => o.algorithms.includes(name)),
      ...(o.issuers.length === 0 ? {} : { issuer: [...o.issuers] }),
      ...(o.audiences.length === 0 ? {} : { audience: [...o.audiences] }),
      ...(o.requireExpiry ? { requiredClaims: ['exp'] } : {}),
      clockTolerance: o.leewayMs / 1_000,
    };
  }

  /** Rejects with what is wrong with the keys. */
  static async open(o: JwtOptions): Promise<JwtProver> {
    return new JwtProver(o, await Keys.open(o));
  }

  reload(): Promise<void> {
    return this.keys.reload();
  }

  close(): void {
    this.keys.close();
  }

  async prove(login: Login): Promise<Proven | Outcome | undefined> {
    if (!looksLikeToken(login.password)) return undefined;
    try {
      return this.proven(await this.verify(Buffer.from(login.password!).toString('latin1')), login);
    } catch (why) {
      if (why instanceof KeysUnavailable) return 'unavailable';
      if (!(why instanceof errors.JOSEError || why instanceof ClaimFault)) throw why;
      this.o.debug(`a token of ${login.remote} is refused: ${why.message}`);
      return 'bad-credentials';
    }
  }

  private async verify(token: string): Promise<JWTPayload> {
    const options = { ...this.verifying, currentDate: new Date(this.o.now()) };
    try {
      return (await jwtVerify(token, this.keys.find, options)).payload;
    } catch (why) {
      if (!(why instanceof errors.JWKSMultipleMatchingKeys)) throw why;
      // It does not say which of several keys signed it.
      for await (const key of why) {
        try {
          return (await jwtVerify(token, key, options)).payload;
        } catch (second) {
          if (!(second instanceof errors.JWSSignatureVerificationFailed)) throw second;
        }
      }
      throw new errors.JWSSignatureVerificationFailed();
    }
  }

  private proven(claims: JWTPayload, { client }: Login): Proven {
    const { userClaim, groupsClaim, aclClaim, clientClaim, leewayMs } = this.o;
    const principal = claimOf(claims, userClaim);
    if (!isPrincipal(principal)) throw new ClaimFault(`'${userClaim}' says no usable name`);
    if (clientClaim !== undefined && claimOf(claims, clientClaim) !== client)
      throw new ClaimFault(`'${clientClaim}' is not the client id`);
    return {
      principal,
      groups: groupsOf(claimOf(claims, groupsClaim)),
      acl: aclOf(claimOf(claims, aclClaim)),
      validUntil: claims.exp === undefined ? NEVER : claims.exp * 1_000 + leewayMs,
    };
  }
}

/** `realm_access.roles` is a path, unless there is a claim of that very name (`https://example.org/groups`). */
function claimOf(claims: JWTPayload, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let here: unknown = claims;
  for (const step of path.split('.')) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, step)) return undefined;
    here = (here as Record<string, unknown>)[step];
  }
  return here;
}

/** `n,a=user,^Ahost=…^Aauth=Bearer token^A^A`, ^A being U+0001 [RFC7628-3.1]. */
function bearerOf(message: Uint8Array): Uint8Array | undefined {
  if (message.length > MAX_TOKEN_BYTES) return undefined;
  const pairs = Buffer.from(message).toString('latin1').split('\x01');
  const auth = pairs.find((pair) => pair.startsWith('auth='));
  const token = /^auth=Bearer +(\S+)$/i.exec(auth ?? '')?.[1];
  return token === undefined ? undefined : Buffer.from(token, 'latin1');
}
