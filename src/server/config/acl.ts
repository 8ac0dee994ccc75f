// The access rules of an `auth` block, in the words of the auth engine.

import type { AclModel, AclRule } from '../../auth/acl.ts';
import type { AuthConfig, RuleConfig } from './schema.ts';

/** Undefined where the block writes no rules: then nothing is denied because of it. */
export function aclOf({ rules, groups }: AuthConfig): AclModel | undefined {
  return rules === undefined ? undefined : { rules: rules.map(ruleOf), groups: groups ?? {} };
}

function ruleOf({ user, group, client, anonymous, allow, deny, filter }: RuleConfig): AclRule {
  const who = {
    ...(user === undefined ? {} : { user }),
    ...(group === undefined ? {} : { group }),
    ...(client === undefined ? {} : { client }),
    ...(anonymous === true ? { anonymous } : {}),
  };
  // The rules of the configuration have seen to it that it is one of both.
  return deny === undefined ? { who, filter, allow: allow! } : { who, filter, deny };
}
