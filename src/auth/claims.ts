// What a token or a service says about somebody, in the engine's words: groups and rules, each checked before it counts.

import { Acl, type AclAction, type AclRule, ruleFault } from './acl.ts';

/** So many groups and rules one proof may bring. */
const MAX_GROUPS = 256;
const MAX_RULES = 1_024;
const MAX_FILTER_LENGTH = 65_535;

const ACTIONS: readonly AclAction[] = ['publish', 'subscribe', 'both'];

/** A claim is not what it must be: the proof is worthless. */
export class ClaimFault extends Error {}

/** Group names: a list, or one text with spaces between, as OAuth's `scope` has it [RFC8693-4.2]. Throws ClaimFault. */
export function groupsOf(claim: unknown): string[] {
  if (claim === undefined || claim === null) return [];
  const names = typeof claim === 'string' ? claim.split(' ').filter((name) => name !== '') : claim;
  if (!Array.isArray(names) || names.length > MAX_GROUPS || !names.every((name) => typeof name === 'string'))
    throw new ClaimFault(`groups must be at most ${MAX_GROUPS} names`);
  return names;
}

/**
 * Rules, as a list `[{"allow": "publish", "filter": "a/#"}, {"deny": "both", "filter": "a/secret"}]` or as an object
 * `{"publish": ["a/#"], "subscribe": ["b/#"], "both": [], "deny": ["a/secret"]}`. undefined: there is no such claim. Throws ClaimFault.
 */
export function aclOf(claim: unknown): Acl | undefined {
  if (claim === undefined || claim === null) return undefined;
  const rules = Array.isArray(claim) ? claim.map(ruleOf) : rulesOfObject(claim);
  if (rules.length > MAX_RULES) throw new ClaimFault(`there may be at most ${MAX_RULES} rules`);
  for (const rule of rules) {
    const fault = rule.filter.length > MAX_FILTER_LENGTH ? 'too long' : ruleFault(rule, undefined);
    if (fault !== undefined) throw new ClaimFault(`rule ${rule.filter.slice(0, 80)}: ${fault}`);
  }
  return new Acl({ rules });
}

function ruleOf(written: unknown): AclRule {
  const { allow, deny, filter, ...others } = isObject(written) ? written : {};
  const [surplus] = Object.keys(others);
  // A condition that is not understood must not be passed over: the rule would say more than was meant.
  if (surplus !== undefined)
    throw new ClaimFault(`a rule has 'allow' or 'deny' and 'filter', not '${surplus}'`);
  if (typeof filter !== 'string') throw new ClaimFault("a rule's 'filter' must be a text");
  if ((allow === undefined) === (deny === undefined))
    throw new ClaimFault("a rule has either 'allow' or 'deny'");
  if (!ACTIONS.includes((allow ?? deny) as AclAction))
    throw new ClaimFault("'allow' and 'deny' say publish, subscribe or both");
  const at = 'proof';
  return deny === undefined
    ? { who: {}, filter, allow: allow as AclAction, at }
    : { who: {}, filter, deny: deny as AclAction, at };
}

function rulesOfObject(claim: unknown): AclRule[] {
  if (!isObject(claim)) throw new ClaimFault('rules must be a list or an object');
  return Object.entries(claim).flatMap(([word, filters]) => {
    const list = typeof filters === 'string' ? [filters] : filters;
    if (!Array.isArray(list)) throw new ClaimFault(`'${word}' must list filters`);
    if (word === 'deny') return list.map((filter) => ruleOf({ deny: 'both', filter }));
    if (!ACTIONS.includes(word as AclAction))
      throw new ClaimFault(`rules are under publish, subscribe, both or deny, not '${word}'`);
    return list.map((filter) => ruleOf({ allow: word, filter }));
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
