// The access control list: typed rules, compiled to be asked whether somebody may publish to a topic or subscribe to a filter.

import type { Action } from '../contract/auth.ts';
import { covers, filterFault, type Levels, levelsOf, overlap, unshared } from './covers.ts';

export type AclAction = Action | 'both';

/** Whom a rule is about: all named conditions must hold; none: everybody, `anonymous` included. */
export interface AclWho {
  readonly user?: string;
  readonly group?: string;
  readonly client?: string;
  readonly anonymous?: boolean;
}

/** `%c` and `%u` in `filter` stand for the client id and the user name. Where rules disagree, deny wins, wherever it stands. */
export type AclRule = {
  readonly who: AclWho;
  readonly filter: string;
} & (
  | { readonly allow: AclAction; readonly deny?: undefined }
  | { readonly deny: AclAction; readonly allow?: undefined }
);

export interface AclModel {
  readonly rules: readonly AclRule[];
  /** The users of each group. */
  readonly groups?: Readonly<Record<string, readonly string[]>>;
}

/** The principal of who did not say a name; no user may have it. */
export const ANONYMOUS = 'anonymous';

/** Who asks. `client` undefined: one of several, so what depends on the client id is answered for the worst of them. */
export interface Asker {
  readonly principal: string;
  readonly client: string | undefined;
}

/** What is wrong with a rule, or undefined. */
export function ruleFault(rule: AclRule, groups: AclModel['groups']): string | undefined {
  const { who } = rule;
  if (who.anonymous === true && (who.user !== undefined || who.group !== undefined)) {
    return 'a rule about `anonymous` cannot name a user or group too';
  }
  if (who.user === ANONYMOUS) return 'no user is called `anonymous`: write `anonymous` alone';
  if (who.group !== undefined && !Object.hasOwn(groups ?? {}, who.group)) {
    return `group \`${who.group}\` has no members: say who they are`;
  }
  return filterFault(rule.filter);
}

export class Acl {
  /** Some answer depends on the client id. */
  readonly byClient: boolean;
  private readonly forAll: Rule[] = [];
  private readonly forPrincipal = new Map<string, Rule[]>();

  /** Throws an Error naming the first faulty rule by its number, from 1. */
  constructor(model: AclModel) {
    let byClient = false;
    for (const [i, typed] of model.rules.entries()) {
      const fault = ruleFault(typed, model.groups);
      if (fault !== undefined) throw new Error(`rule ${i + 1} (${typed.filter}): ${fault}`);
      const rule = new Rule(typed);
      byClient ||= rule.byClient;
      const { user, group, anonymous } = typed.who;
      if (anonymous === true) this.add(ANONYMOUS, rule);
      else if (group !== undefined) {
        for (const member of new Set(model.groups?.[group])) {
          if (user === undefined || user === member) this.add(member, rule);
        }
      } else if (user !== undefined) this.add(user, rule);
      else this.forAll.push(rule);
    }
    this.byClient = byClient;
  }

  /**
   * Whether every topic that `topicOrFilter` matches is allowed: one allowing rule covers it, and no denying rule shares a topic with
   * it. (Several allowing rules that only together cover it do not: the answer errs towards no.)
   */
  allows(who: Asker, action: Action, topicOrFilter: string): boolean {
    const plain = action === 'subscribe' ? unshared(topicOrFilter) : topicOrFilter;
    if (plain === undefined || plain === '') return false;
    const asked = levelsOf(plain);
    let allowed = false;
    for (const rules of [this.forAll, this.forPrincipal.get(who.principal)]) {
      if (rules === undefined) continue;
      for (const rule of rules) {
        if (rule.action !== 'both' && rule.action !== action) continue;
        if (rule.denies) {
          if (rule.touches(who, asked)) return false;
        } else if (!allowed) allowed = rule.covers(who, asked);
      }
    }
    return allowed;
  }

  private add(principal: string, rule: Rule): void {
    const rules = this.forPrincipal.get(principal);
    if (rules === undefined) this.forPrincipal.set(principal, [rule]);
    else rules.push(rule);
  }
}

class Rule {
  readonly denies: boolean;
  readonly action: AclAction;
  readonly byClient: boolean;
  private readonly client: string | undefined;
  /** The filter as it is, or, with places to fill in, its text cut there: ['sensors/', '%c', '/#']. */
  private readonly fixed: Levels | undefined;
  private readonly parts: readonly string[];

  constructor(rule: AclRule) {
    this.denies = rule.deny !== undefined;
    this.action = rule.allow ?? rule.deny;
    this.client = rule.who.client;
    this.parts = rule.filter.split(/(%[cu])/);
    this.fixed = this.parts.length === 1 ? levelsOf(rule.filter) : undefined;
    this.byClient = this.client !== undefined || this.parts.includes('%c');
  }

  covers(who: Asker, asked: Levels): boolean {
    if (this.client !== undefined && this.client !== who.client) return false;
    const levels = this.fixed ?? this.filled(who);
    return levels !== undefined && covers(levels, asked);
  }

  touches(who: Asker, asked: Levels): boolean {
    if (this.client !== undefined && who.client !== undefined && this.client !== who.client) return false;
    return overlap(this.fixed ?? this.filledWidely(who), asked);
  }

  /** The filter of this asker, or undefined where a name could widen it: as a wildcard, as more levels, or into a `$` tree. */
  private filled(who: Asker): Levels | undefined {
    let text = '';
    for (const part of this.parts) {
      if (part === '%c' || part === '%u') {
        const name = part === '%c' ? who.client : who.principal;
        if (name === undefined || name === '' || /[+#/\0]/.test(name)) return undefined;
        if (part === '%u' && name === ANONYMOUS) return undefined;
        if (text === '' && name.startsWith('$')) return undefined;
        text += name;
      } else text += part;
    }
    return levelsOf(text);
  }

  /** For a denying rule: names are taken as they are, so that a wildcard in one denies more; an unknown one denies all from there. */
  private filledWidely(who: Asker): Levels {
    let text = '';
    for (const part of this.parts) {
      if (part === '%c' && who.client === undefined) {
        const slash = text.lastIndexOf('/');
        return levelsOf(`${text.slice(0, slash + 1)}#`);
      }
      text += part === '%c' ? who.client : part === '%u' ? who.principal : part;
    }
    return levelsOf(text);
  }
}
