// The ACL file: sections that say who, lines that say what; mosquitto's `topic` and `pattern` lines are understood.

import { type AclAction, type AclModel, type AclRule, type AclWho, ruleFault } from './acl.ts';
import { type Line, meaningfulLines, suggestion, TextFault } from './text.ts';

/*
 *   group ops: alice, bob        who is in a group
 *   user alice                   a section: also `group ops`, `client sensor-1`, `protocol coap`, `listener web`, `anonymous`, `all`
 *   group ops, protocol mqtt     a section whose conditions must all hold
 *   allow publish sensors/%c/#   its rules: `allow` or `deny`; `publish`, `subscribe` or `both`; a filter
 *   topic readwrite a/b          mosquitto: `read`, `write`, `readwrite` (also when left out), `deny`
 *   pattern read users/%u/#      mosquitto: as `topic`, for everybody
 */
const SECTIONS = ['user', 'group', 'client', 'protocol', 'listener', 'anonymous', 'all'];
/** Between the conditions of a section; a comma in a name is none. */
const CONDITION = /,\s*(?=(?:user|group|client|protocol|listener)\s)/;
const EXAMPLES: Readonly<Record<string, string>> = {
  user: 'alice',
  group: 'ops',
  client: 'sensor-1',
  protocol: 'mqtt',
  listener: 'web',
};
const RULES = ['allow', 'deny', 'topic', 'pattern'];
const ACTIONS: ReadonlyMap<string, AclAction> = new Map([
  ['publish', 'publish'],
  ['subscribe', 'subscribe'],
  ['both', 'both'],
  ['write', 'publish'],
  ['read', 'subscribe'],
  ['readwrite', 'both'],
]);

/**
 * Parses the file's text; `file` is for messages. `foreign`: proofs bring groups of their own, so that any name may be one. Throws TextFault
 * with every fault found.
 */
export function parseAcl(text: string, file: string, foreign = false): AclModel {
  const reader = new AclReader(file, foreign);
  const lines = meaningfulLines(text);
  for (const line of lines) reader.members(line);
  for (const line of lines) reader.line(line);
  if (reader.faults.length > 0) throw new TextFault(reader.faults);
  return { rules: reader.rules, groups: Object.fromEntries(reader.groups) };
}

class AclReader {
  readonly rules: AclRule[] = [];
  readonly groups = new Map<string, string[]>();
  readonly faults: string[] = [];
  private readonly file: string;
  private readonly foreign: boolean;
  private who: AclWho | undefined;

  constructor(file: string, foreign: boolean) {
    this.file = file;
    this.foreign = foreign;
  }

  /** First pass: who is in which group, so that a section may stand before it. */
  members({ text }: Line): void {
    const found = /^group\s+([^\s:]+)\s*:(.*)$/.exec(text);
    if (found === null) return;
    const names = found[2]!.split(/[\s,]+/).filter((name) => name !== '');
    this.groups.set(found[1]!, [...(this.groups.get(found[1]!) ?? []), ...names]);
  }

  line(line: Line): void {
    const [word, rest] = firstWord(line.text);
    if (word === 'group' && /^[^\s:]+\s*:/.test(rest)) return;
    if (SECTIONS.includes(word)) this.section(line, word, rest);
    else if (RULES.includes(word)) this.rule(line, word, rest);
    else {
      const known = [...SECTIONS, ...RULES];
      this.fault(
        line,
        `unknown word \`${word}\`${suggestion(word, known) || `; a line starts with ${list(known)}`}`,
      );
    }
  }

  /** `user alice, protocol mqtt, listener web`: all of it must hold. */
  private section(line: Line, word: string, rest: string): void {
    const who: Record<string, string | true> = {};
    this.who = who;
    for (const condition of `${word} ${rest}`.split(CONDITION)) {
      const [kind, name] = firstWord(condition.trim());
      if (kind === 'all' || kind === 'anonymous') {
        if (name !== '')
          this.fault(line, `\`${kind}\` stands alone on its line; put \`${name}\` on the next`);
        if (kind === 'anonymous') who.anonymous = true;
      } else if (name === '') this.fault(line, `\`${kind}\` needs a name: \`${kind} ${EXAMPLES[kind]}\``);
      else if (Object.hasOwn(who, kind)) this.fault(line, `\`${kind}\` is said twice`);
      else who[kind] = name;
    }
  }

  private rule(line: Line, word: string, rest: string): void {
    const mosquitto = word === 'topic' || word === 'pattern';
    const who = word === 'pattern' ? {} : this.who;
    if (who === undefined) {
      this.fault(line, 'no section says for whom; write `all`, `anonymous` or `user alice` on a line above');
      return;
    }
    let [action, filter] = firstWord(rest);
    let denies = word === 'deny';
    if (mosquitto && action === 'deny') {
      denies = true;
      action = 'both';
    } else if (mosquitto && (ACTIONS.get(action) === undefined || filter === '')) {
      // mosquitto: without a word for the access it is both, and a filter may hold spaces
      filter = rest;
      action = 'both';
    }
    const access = ACTIONS.get(action);
    if (access === undefined) {
      const hint = suggestion(action, ['publish', 'subscribe', 'both']);
      this.fault(line, `\`${word}\` is followed by publish, subscribe or both, not by \`${action}\`${hint}`);
      return;
    }
    if (filter === '') {
      this.fault(line, `the filter is missing: \`${word} ${action} sensors/#\``);
      return;
    }
    const at = `${this.file}:${line.number}`;
    const rule: AclRule = denies ? { who, deny: access, filter, at } : { who, allow: access, filter, at };
    const fault = ruleFault(rule, Object.fromEntries(this.groups), this.foreign);
    if (fault !== undefined) this.fault(line, `${fault}${this.groupHint(who)}`);
    else this.rules.push(rule);
  }

  private groupHint({ group }: AclWho): string {
    if (group === undefined || this.groups.has(group)) return '';
    return suggestion(group, [...this.groups.keys()]) || `, \`group ${group}: alice, bob\``;
  }

  private fault(line: Line, message: string): void {
    this.faults.push(`${this.file}:${line.number}: ${message}`);
  }
}

function firstWord(text: string): [word: string, rest: string] {
  const end = text.search(/\s/);
  return end < 0 ? [text, ''] : [text.slice(0, end), text.slice(end).trim()];
}

function list(words: readonly string[]): string {
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
