// `waymeet acl list | add | remove | check`: the rules, and what they say about somebody.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { AclAction, AclRule, Asker, RuleView } from '../auth/acl.ts';
import { addRule, readRules, removeRule, sectionOf } from '../auth/acl-edit.ts';
import { ChainAuth } from '../auth/chain.ts';
import { aclOf } from '../server/config/acl.ts';
import { load, loadOrFail } from './config.ts';
import { EXIT, Failure, type Io, say } from './io.ts';

export interface AclFlags {
  config?: string;
  acl?: string;
}

export interface WhoFlags {
  user?: string;
  group?: string;
  client?: string;
  protocol?: string;
  listener?: string;
  anonymous?: boolean;
}

export interface CheckFlags extends AclFlags {
  client: string;
  group?: string[];
  protocol?: string;
  listener?: string;
}

const ACTIONS: readonly string[] = ['publish', 'subscribe', 'both'];
const READ_AGAIN = 'a running hub reads it by itself';

export async function list(io: Io, flags: AclFlags): Promise<number> {
  const { rules, groups } = await readRules(rulesFile(io, flags));
  for (const [name, members] of Object.entries(groups ?? {})) {
    io.output.write(`group ${name}: ${members.join(', ')}\n`);
  }
  for (const [i, rule] of rules.entries()) io.output.write(`${i + 1}  ${textOf(rule)}\n`);
  return EXIT.fine;
}

export async function add(
  io: Io,
  effect: string,
  action: string,
  filter: string,
  flags: AclFlags & WhoFlags,
): Promise<number> {
  if (effect !== 'allow' && effect !== 'deny')
    throw new Failure(`'${effect}' is neither allow nor deny`, EXIT.usage);
  if (!ACTIONS.includes(action))
    throw new Failure(`'${action}' is no action: write ${ACTIONS.join(', ')}`, EXIT.usage);
  const { user, group, client, protocol, listener, anonymous } = flags;
  const said = { user, group, client, protocol, listener, anonymous };
  const who = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
  const access = action as AclAction;
  const rule: AclRule = effect === 'allow' ? { who, allow: access, filter } : { who, deny: access, filter };
  const file = rulesFile(io, flags);
  await addRule(file, rule);
  say(io, `added to ${file}: ${textOf(rule)}; ${READ_AGAIN}`);
  return EXIT.fine;
}

export async function remove(io: Io, number: string, flags: AclFlags): Promise<number> {
  const file = rulesFile(io, flags);
  const rule = await removeRule(file, Number(number));
  say(io, `removed from ${file}: ${textOf(rule)}; ${READ_AGAIN}`);
  return EXIT.fine;
}

/** Says whether `user` may do it, and which rule decides; 'anonymous' is whoever shows no name. */
export async function check(
  io: Io,
  user: string,
  action: string,
  topic: string,
  flags: CheckFlags,
): Promise<number> {
  if (action !== 'publish' && action !== 'subscribe')
    throw new Failure(`'${action}' is no action: write publish or subscribe`, EXIT.usage);
  const configured = flags.acl === undefined ? loadOrFail(io, flags.config).config.auth : undefined;
  const rules = configured === undefined ? undefined : aclOf(configured);
  const usual = rulesFile(io, flags);
  const file =
    flags.acl !== undefined || configured?.acl !== undefined || existsSync(usual) ? usual : undefined;
  if (file === undefined && rules === undefined)
    throw new Failure(
      'there are no rules: name their file with --acl, or write auth.acl or auth.rules in the configuration',
      EXIT.usage,
    );
  const auth = await ChainAuth.open({
    ...(file === undefined ? {} : { aclFile: file }),
    ...(rules === undefined ? {} : { acl: rules }),
    foreign: true,
  });
  const { client, group: groups = [], protocol, listener } = flags;
  const asker: Asker = { principal: user, client, groups, protocol, listener };
  const views = auth.explain(asker, action, topic);
  const deciding = views.find(({ says }) => says === 'denies') ?? views.find(({ says }) => says === 'allows');
  const allowed = deciding?.says === 'allows';
  io.output.write(`${allowed ? 'allowed' : 'denied'}: '${user}' (client '${client}') ${action} ${topic}\n`);
  for (const view of views) io.output.write(`${view === deciding ? '>' : ' '} ${sentenceOf(view)}\n`);
  if (deciding === undefined)
    io.output.write('  no rule says anything about it, and what none allows is denied\n');
  return allowed ? EXIT.fine : EXIT.failed;
}

function sentenceOf({ rule, says }: RuleView): string {
  return `${says.padEnd(7)}  ${textOf(rule)}`;
}

/** `user alice: allow publish a/#  (waymeet-acl:7)` */
function textOf(rule: AclRule): string {
  const { who, allow, deny, filter, at } = rule;
  const words = `${sectionOf(who)}: ${deny === undefined ? 'allow' : 'deny'} ${allow ?? deny} ${filter}`;
  return at === undefined ? words : `${words}  (${at})`;
}

/** The file that `--acl` names, or the configuration does, or the usual one. */
export function rulesFile(io: Io, flags: AclFlags): string {
  if (flags.acl !== undefined) return resolve(io.folder, flags.acl);
  const { config, problems } = load(io, flags.config);
  if (config === undefined)
    throw new Failure(`the configuration is wrong: ${problems[0]!.text}; or name the file with --acl`);
  return config.auth.acl ?? resolve(io.folder, 'waymeet-acl');
}
