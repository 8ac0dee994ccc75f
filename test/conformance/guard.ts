// An auth engine for the tests of what is not allowed: some actions are refused on topics that begin with `forbidden`.

import type { Action, Auth } from '../../src/contract/auth.ts';
import { NEVER } from '../../src/contract/message.ts';
import { OPEN } from '../network.ts';

/** Everybody is let in, and may do everything but these actions below `forbidden`. */
export function guardAgainst(...actions: Action[]): Auth {
  return {
    ...OPEN,
    identify: () => Promise.resolve({ principal: 'somebody', unrestricted: false, validUntil: NEVER }),
    allows: (_who, _client, action, topic) => !actions.includes(action) || !topic.startsWith('forbidden'),
  };
}
