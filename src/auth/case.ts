// The cases that every auth engine passes; `authCases` registers them with vitest.

import { beforeAll, describe, expect, test } from 'vitest';
import type { Auth, Identity, Login } from '../contract/auth.ts';

/** An engine under test, and what it knows. */
export interface AuthUnderTest {
  readonly auth: Auth;
  /** A login that succeeds, and the principal that it proves. */
  readonly good: Login;
  readonly principal: string;
  /** Logins that fail; empty for an engine that lets everybody in. */
  readonly bad: readonly Login[];
  /** Changes the rules, as an administrator would. */
  reload?(): Promise<void>;
}

/** A plain login over MQTT; `parts` replace what differs. */
export function loginOf(parts: Partial<Login> = {}): Login {
  return {
    protocol: 'mqtt',
    client: 'client-1',
    username: undefined,
    password: undefined,
    remote: '192.0.2.1:50312',
    listener: 'mqtt',
    wire: {},
    ...parts,
  };
}

export function password(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Fails the test unless the login succeeded. */
export async function identified(auth: Auth, login: Login): Promise<Identity> {
  const identity = await auth.identify(login);
  if (typeof identity === 'string') throw new Error(`refused: ${identity}`);
  return identity;
}

export function authCases(name: string, open: () => Promise<AuthUnderTest>): void {
  describe(`auth engine ${name}`, () => {
    let under: AuthUnderTest;
    beforeAll(async () => {
      under = await open();
    });

    test('a good login gives its principal, valid from now on', async () => {
      const identity = await identified(under.auth, under.good);
      expect(identity.principal).toBe(under.principal);
      expect(identity.validUntil).toBeGreaterThan(Date.now());
    });

    test('a bad login resolves to a reason, never to an identity, and does not reject', async () => {
      for (const login of under.bad) expect(typeof (await under.auth.identify(login))).toBe('string');
    });

    test('many logins at once, good and bad, are each answered rightly', async () => {
      const logins = Array.from(
        { length: 40 },
        (_, i) => under.bad[i % (under.bad.length + 1)] ?? under.good,
      );
      const answers = await Promise.all(logins.map((login) => under.auth.identify(login)));
      answers.forEach((answer, i) => {
        expect(typeof answer === 'string').toBe(logins[i] !== under.good);
      });
    });

    test('allows answers at once, the same each time, and yes to everything when unrestricted', async () => {
      const identity = await identified(under.auth, under.good);
      for (const action of ['publish', 'subscribe'] as const) {
        for (const topic of ['a', 'a/b/c', '$SYS/uptime', '/', 'client-1', '#', '+/#', '$share/g/a/#']) {
          const answer = under.auth.allows(identity, 'client-1', action, topic);
          expect(under.auth.allows(identity, 'client-1', action, topic)).toBe(answer);
          if (identity.unrestricted) expect(answer).toBe(true);
        }
      }
    });

    test('an unknown mechanism is not offered', () => {
      for (const mechanism of ['', 'NO-SUCH', 'SCRAM-SHA-256-PLUS', 'scram-sha-256']) {
        expect(under.auth.exchange(mechanism, under.good)).toBeUndefined();
      }
    });

    test('the epoch grows when the rules change, and only then', async () => {
      const before = under.auth.epoch;
      await under.auth.identify(under.good);
      expect(under.auth.epoch).toBe(before);
      if (under.reload === undefined) return;
      await under.reload();
      expect(under.auth.epoch).toBeGreaterThan(before);
      expect((await identified(under.auth, under.good)).principal).toBe(under.principal);
    });
  });
}
