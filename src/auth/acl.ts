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
  /** `mqtt`, `coap`, `http` …: what it speaks. */
  readonly protocol?: string;
  /** The name of the listener where it came in. */
  readonly listener?: string;
}

/** `%c` and `%u` in `filter` stand for the client id and the user name. Where rules disagree, deny wins, wherever it stands. */
export type AclRule = {
  readonly who: AclWho;
  readonly filter: string;
  /** Where it is written, for people: `waymeet-acl:7`. */
  readonly at?: string;
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

/** Who asks. */
export interface Asker {
  readonly principal: string;
  /** undefined: one of several, so what depends on the client id is answered for the worst of them. */
  readonly client: string | undefined;
  /** Groups that its proof brought, beside those of the rules. */
  readonly groups?: readonly string[];
  /** undefined: of any, so that a rule for one of them allows nothing and denies everything. */
  readonly protocol?: string | undefined;
  readonly listener?: string | undefined;
}

/** What is wrong with a rule, or undefined. `foreign`: proofs bring groups, so that any name may be one. */
export function ruleFault(rule: AclRule, groups: AclModel['groups'], foreign = false): string | undefined {
  const { who } = rule;
  if (who.anonymous === true && (who.user !== undefined || who.group !== undefined)) {
    return 'a rule about `anonymous` cannot name a user or group too';
  }
  if (who.user === ANONYMOUS) return 'no user is called `anonymous`: write `anonymous` alone';
  if (who.group !== undefined && !foreign && !Object.hasOwn(groups ?? {}, who.group)) {
    return `group \`${who.group}\` has no members: say who they are`;
  }
  return filterFault(rule.filter);
}

/** What one rule says about a question: decided by the first `denies`, else by the first `allows`. */
export interface RuleView {
  readonly rule: AclRule;
  readonly says: 'allows' | 'denies' | 'nothing';
}

export type Verdict = 'allow' | 'deny' | 'none';

export class Acl {
  /** Some answer depends on the client id. */
  readonly byClient: boolean;
  /** Some answer depends on the protocol or the listener. */
  readonly byWire: boolean;
  private readonly forAll: Rule[] = [];
  private readonly forPrincipal = new Map<string, Rule[]>();
  /** Rules about a group, for those whose proof says that they are in it. */
  private readonly forGroup = new Map<string, Rule[]>();
  private readonly members: NonNullable<AclModel['groups']>;

  /** Throws an Error naming the first faulty rule by its number, from 1. */
  constructor(model: AclModel, foreign = false) {
    let byClient = false;
    this.members = model.groups ?? {};
    for (const [i, typed] of model.rules.entries()) {
      const fault = ruleFault(typed, model.groups, foreign);
      if (fault !== undefined) throw new Error(`rule ${i + 1} (${typed.filter}): ${fault}`);
      const rule = new Rule(typed, i);
      byClient ||= rule.byClient;
      this.file(rule);
    }
    this.byClient = byClient;
    this.byWire = model.rules.some(({ who }) => who.protocol !== undefined || who.listener !== undefined);
  }

  private file(rule: Rule): void {
    const { user, group, anonymous } = rule.written.who;
    if (anonymous === true) add(this.forPrincipal, ANONYMOUS, rule);
    else if (group !== undefined) {
      add(this.forGroup, group, rule);
      for (const member of new Set(Object.hasOwn(this.members, group) ? this.members[group] : [])) {
        if (user === undefined || user === member) add(this.forPrincipal, member, rule);
      }
    } else if (user !== undefined) add(this.forPrincipal, user, rule);
    else this.forAll.push(rule);
  }

  /**
   * Whether every topic that `topicOrFilter` matches is allowed: one allowing rule covers it, and no denying rule shares a topic with
   * it. (Several allowing rules that only together cover it do not: the answer errs towards no.)
   */
  allows(who: Asker, action: Action, topicOrFilter: string): boolean {
    return this.verdict(who, action, topicOrFilter) === 'allow';
  }

  /** As `allows`; 'none': no rule says anything. */
  verdict(who: Asker, action: Action, topicOrFilter: string): Verdict {
    const asked = askedLevels(action, topicOrFilter);
    if (asked === undefined) return 'deny';
    let verdict: Verdict = 'none';
    for (const rules of this.about(who)) {
      for (const rule of rules) {
        const says = rule.says(who, action, asked);
        if (says === 'denies') return 'deny';
        if (says === 'allows') verdict = 'allow';
      }
    }
    return verdict;
  }

  /** What each rule about `who` says, in the order in which they are written. */
  explain(who: Asker, action: Action, topicOrFilter: string): RuleView[] {
    const asked = askedLevels(action, topicOrFilter);
    if (asked === undefined) return [];
    return [...new Set([...this.about(who)].flat())]
      .sort((a, b) => a.order - b.order)
      .map((rule) => ({ rule: rule.written, says: rule.says(who, action, asked) }));
  }

  private *about(who: Asker): Iterable<readonly Rule[]> {
    yield this.forAll;
    const own = this.forPrincipal.get(who.principal);
    if (own !== undefined) yield own;
    for (const group of who.groups ?? []) {
      const rules = this.forGroup.get(group) ?? [];
      yield rules.filter(
        ({
          written: {
            who: { user },
          },
        }) => user === undefined || user === who.principal,
      );
    }
  }
}

function add(map: Map<string, Rule[]>, name: string, rule: Rule): void {
  const rules = map.get(name);
  if (rules === undefined) map.set(name, [rule]);
  else rules.push(rule);
}

function askedLevels(action: Action, topicOrFilter: string): Levels | undefined {
  const plain = action === 'subscribe' ? unshared(topicOrFilter) : topicOrFilter;
  return plain === undefined || plain === '' ? undefined : levelsOf(plain);
}

class Rule {
  readonly written: AclRule;
  /** Its place among all rules. */
  readonly order: number;
  readonly byClient: boolean;
  private readonly denies: boolean;
  private readonly action: AclAction;
  /** The filter as it is, or, with places to fill in, its text cut there: ['sensors/', '%c', '/#']. */
  private readonly fixed: Levels | undefined;
  private readonly parts: readonly string[];

  constructor(rule: AclRule, order: number) {
    this.written = rule;
    this.order = order;
    this.denies = rule.deny !== undefined;
    this.action = rule.allow ?? rule.deny;
    this.parts = rule.filter.split(/(%[cu])/);
    this.fixed = this.parts.length === 1 ? levelsOf(rule.filter) : undefined;
    this.byClient = rule.who.client !== undefined || this.parts.includes('%c');
  }

  says(who: Asker, action: Action, asked: Levels): RuleView['says'] {
    if (this.action !== 'both' && this.action !== action) return 'nothing';
    if (this.denies) return this.touches(who, asked) ? 'denies' : 'nothing';
    return this.covers(who, asked) ? 'allows' : 'nothing';
  }

  private covers(who: Asker, asked: Levels): boolean {
    const { client, protocol, listener } = this.written.who;
    if (client !== undefined && client !== who.client) return false;
    if (protocol !== undefined && protocol !== who.protocol) return false;
    if (listener !== undefined && listener !== who.listener) return false;
    const levels = this.fixed ?? this.filled(who);
    return levels !== undefined && covers(levels, asked);
  }

  private touches(who: Asker, asked: Levels): boolean {
    const { client, protocol, listener } = this.written.who;
    if (client !== undefined && who.client !== undefined && client !== who.client) return false;
    if (protocol !== undefined && who.protocol !== undefined && protocol !== who.protocol) return false;
    if (listener !== undefined && who.listener !== undefined && listener !== who.listener) return false;
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
