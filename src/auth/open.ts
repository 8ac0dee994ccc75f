// The engine without rules: everybody may enter and do everything.

import type { Auth, Identity, Login } from '../contract/auth.ts';
import { NEVER } from '../contract/message.ts';
import { ANONYMOUS } from './acl.ts';

/** How many names keep an identity object that their clients share. */
const SHARED = 10_000;

/** The principal is what a key proved, or the user name that the client says, unproven, or `anonymous`. */
export function openAuth(): Auth {
  const identities = new Map<string, Identity>();
  return {
    epoch: 0,
    async identify(login: Login) {
      const principal = login.wire.sealedBy ?? login.wire.pskIdentity ?? (login.username || ANONYMOUS);
      let identity = identities.get(principal);
      if (identity === undefined) {
        identity = { principal, unrestricted: true, validUntil: NEVER };
        if (identities.size < SHARED) identities.set(principal, identity);
      }
      return identity;
    },
    exchange: () => undefined,
    allows: () => true,
  };
}
