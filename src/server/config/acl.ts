// The access rules of an `auth` block, in the words of the auth engine.

import type { AclModel, AclRule } from '../../auth/acl.ts';
import type { AuthConfig, RuleConfig } from './schema.ts';

/** Undefined where the block writes no rules: then nothing is denied because of it. */
export function aclOf({ rules, groups }: AuthConfig): AclModel | undefined {
  return rules === undefined ? undefined : { rules: rules.map(ruleOf), groups: groups ?? {} };
}

function ruleOf(rule: RuleConfig, index: number): AclRule {
  const { user, group, client, anonymous, protocol, listener, allow, deny, filter } = rule;
  const who = {
    ...(user === undefined ? {} : { user }),
    ...(group === undefined ? {} : { group }),
    ...(client === undefined ? {} : { client }),
    ...(anonymous === true ? { anonymous } : {}),
    ...(protocol === undefined ? {} : { protocol }),
    ...(listener === undefined ? {} : { listener }),
  };
  // The rules of the configuration have seen to it that it is one of both.
  const at = `auth.rules[${index}]`;
  return deny === undefined ? { who, filter, allow: allow!, at } : { who, filter, deny, at };
}
