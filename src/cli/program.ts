// The command line: every command with its flags; what a command does is loaded when it is called.

import { Command, CommanderError, Option } from 'commander';
import { WaymeetError } from '../client/error.ts';
import { client } from './client-commands.ts';
import { qos, whole, withConnection } from './connection.ts';
import { EXIT, Failure, type Io } from './io.ts';
import { defineLab } from './lab-flags.ts';
import type { TraceFlags } from './trace.ts';

/** Runs the program; resolves to the exit code. */
export async function run(args: readonly string[], version: string, io: Io): Promise<number> {
  let code: number = EXIT.fine;
  const done = (result: number) => {
    code = result;
  };
  // The schema is loaded only for those who show or take its settings.
  const settings = args[0] === 'serve' || args[0] === 'config' ? await import('./settings.ts') : undefined;
  const program = define(version, io, done, settings);
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.fine : EXIT.usage;
    complain(io, error, args.includes('--verbose'));
    return codeOf(error);
  }
}

/** What another command line would mend. */
const USAGE: ReadonlySet<string> = new Set(['usage', 'not-supported', 'topic-invalid', 'filter-invalid']);

function codeOf(error: unknown): number {
  if (error instanceof Failure) return error.code;
  if (!(error instanceof WaymeetError)) return EXIT.failed;
  if (error.code === 'timed-out') return EXIT.timeout;
  return USAGE.has(error.code) ? EXIT.usage : EXIT.failed;
}

function complain(io: Io, error: unknown, verbose: boolean): void {
  const known = error instanceof Error ? error : new Error(String(error));
  io.errors.write(`waymeet: ${known.message}\n`);
  if (!verbose) return;
  io.errors.write(`${known.stack}\n`);
  if (known.cause instanceof Error) io.errors.write(`${known.cause.stack}\n`);
}

type Settings = typeof import('./settings.ts') | undefined;

function define(version: string, io: Io, done: (code: number) => void, settings: Settings): Command {
  const program = new Command('waymeet')
    .description('One hub where IoT protocols meet.')
    .version(version, '--version', 'show the version')
    .helpOption('--help', 'show this')
    .configureOutput({ writeOut: (text) => io.output.write(text), writeErr: (text) => io.errors.write(text) })
    .showHelpAfterError('(--help shows what there is)')
    .exitOverride();
  const command = (name: string, about: string, parent = program) =>
    parent
      .command(name)
      .description(about)
      .helpOption('--help', 'show this')
      .option('--verbose', 'show where an error came from')
      .copyInheritedSettings(parent);

  serve(command('serve', 'Run the hub.'), version, io, done, settings);
  client(command, io, done);
  bench(withConnection(command('bench', 'Put a load on a broker, and check every message.')), io, done);
  defineLab(command('lab', 'Compare protocols: one workload over many of them.'), command, version, io, done);
  users(command('user', 'Change the users file.'), command, io, done);
  rules(command('acl', 'Show, change and ask the rules.'), command, io, done);
  keepingOut(command, io, done);
  config(command('config', 'Look at the configuration.'), command, io, done, settings);
  trace(command('trace', 'Show packets of a client or a topic of a running hub.'), io, done);
  command('doctor', 'Look whether this machine is ready for a hub.')
    .option('--config <file>', 'the configuration file')
    .action(async (flags: { config?: string }) =>
      done(await (await import('./doctor.ts')).doctor(io, flags.config)),
    );
  return program;
}

function trace(command: Command, io: Io, done: Done): void {
  command
    .option('--url <url>', 'the web port of the hub', 'http://localhost:8080')
    .option('--client <client>', '{protocol}/{client id}: mqtt/sensor-7')
    .option('-t, --topic <filter>', 'what is published on these topics')
    .addOption(
      new Option('-C, --limit <count>', 'end after so many packets')
        .argParser(whole(1, 100_000))
        .default(1_000),
    )
    .addOption(
      new Option('-W, --seconds <seconds>', 'end after so long').argParser(whole(1, 3_600)).default(60),
    )
    .option('-u, --user <name>', 'admin or viewer; the password is in WAYMEET_PASSWORD', 'admin')
    .option('--json', 'one packet a line, as JSON')
    .action(async (flags: TraceFlags) => done(await (await import('./trace.ts')).trace(io, flags)));
}

export type Done = (code: number) => void;
export type Make = (name: string, about: string, parent?: Command) => Command;

function serve(command: Command, version: string, io: Io, done: Done, settings: Settings): void {
  settings?.addSettings(
    command.option('--config <file>', 'the configuration file; else waymeet.yaml, if there is one'),
  );
  command.action(async (flags: { config?: string }) => {
    const { serve: start } = await import('./serve.ts');
    done(await start(io, version, flags.config, settings?.settingFlags(command) ?? new Map()));
  });
}

function bench(command: Command, io: Io, done: Done): void {
  command
    .addOption(
      new Option('--pairs <count>', 'publishers, each with its subscriber')
        .argParser(whole(1, 10_000))
        .default(10),
    )
    .addOption(new Option('--seconds <seconds>', 'how long').argParser(whole(1, 86_400)).default(5))
    .addOption(new Option('--size <octets>', 'payload size').argParser(whole(1, 268_435_455)).default(64))
    .addOption(new Option('-q, --qos <qos>', '0, 1 or 2').argParser(qos).default(0))
    .addOption(
      new Option('--window <messages>', 'between a publisher and its subscriber at most')
        .argParser(whole(1, 100_000))
        .default(100),
    )
    .option('--json', 'print the figures as JSON')
    .action(async (flags: import('./bench.ts').BenchFlags) =>
      done(await (await import('./bench.ts')).bench(io, flags)),
    );
}

function users(parent: Command, command: Make, io: Io, done: Done): void {
  const sub = (name: string, about: string) =>
    command(name, about, parent)
      .option('--config <file>', 'the configuration that names the users file')
      .option('--users <file>', 'the users file; else ./waymeet-users');
  type Flags = import('./user.ts').UserFlags;
  const withPassword = (made: Command) =>
    made
      .option('--password-file <file>', 'the password is the first line of this file; - is the input')
      .option('--scram', 'also for SCRAM-SHA-256 and SCRAM-SHA-1');
  withPassword(
    sub('add <name>', 'Add a user, or give one a new password; it is asked for, or in WAYMEET_PASSWORD.'),
  ).action(async (name: string, flags: Flags) =>
    done(await (await import('./user.ts')).add(io, name, flags)),
  );
  withPassword(sub('passwd <name>', 'Give a user a new password; connections with the old one end.')).action(
    async (name: string, flags: Flags) => done(await (await import('./user.ts')).passwd(io, name, flags)),
  );
  sub('remove <name>', 'Remove a user.').action(async (name: string, flags: Flags) =>
    done(await (await import('./user.ts')).remove(io, name, flags)),
  );
  sub('list', 'List the users.').action(async (flags: Flags) =>
    done(await (await import('./user.ts')).list(io, flags)),
  );
  groups(command('group', 'Say who is in the groups that rules name.', parent), command, io, done);
}

function groups(parent: Command, command: Make, io: Io, done: Done): void {
  type Flags = import('./user.ts').GroupFlags;
  const sub = (name: string, about: string) => rulesFlags(command(name, about, parent));
  for (const [change, about] of [
    ['add', 'Put users into a group.'],
    ['remove', 'Take users out of a group.'],
  ] as const) {
    sub(`${change} <group> <users...>`, about).action(async (name: string, names: string[], flags: Flags) =>
      done(await (await import('./user.ts')).group(io, change, name, names, flags)),
    );
  }
  sub('list', 'List the groups.').action(async (flags: Flags) =>
    done(await (await import('./user.ts')).groups(io, flags)),
  );
}

function rulesFlags(command: Command): Command {
  return command
    .option('--config <file>', 'the configuration that names the rules file')
    .option('--acl <file>', 'the rules file; else ./waymeet-acl');
}

function rules(parent: Command, command: Make, io: Io, done: Done): void {
  const sub = (name: string, about: string) => rulesFlags(command(name, about, parent));
  type Flags = import('./acl.ts').AclFlags;
  sub('list', 'List the rules, numbered.').action(async (flags: Flags) =>
    done(await (await import('./acl.ts')).list(io, flags)),
  );
  sub('add <effect> <action> <filter>', 'Add a rule: allow or deny; publish, subscribe or both; where.')
    .option('--user <name>', 'for this user')
    .option('--group <name>', 'for this group')
    .option('--client <id>', 'for this client id')
    .option('--protocol <name>', 'for those who speak it: mqtt, coap, http …')
    .option('--listener <name>', 'for those who came in there')
    .option('--anonymous', 'for those who show no name')
    .action(async (effect: string, action: string, filter: string, flags: Flags) =>
      done(await (await import('./acl.ts')).add(io, effect, action, filter, flags)),
    );
  sub('remove <number>', 'Remove the rule that `acl list` numbers so.').action(
    async (number: string, flags: Flags) => done(await (await import('./acl.ts')).remove(io, number, flags)),
  );
  sub(
    'check <user> <action> <topic>',
    'Say whether a user (or anonymous) may publish or subscribe there, and which rule decides.',
  )
    .option('--client <id>', 'the client id, for rules with %c', '')
    .option('--group <names...>', 'groups that a token or a service would bring')
    .option('--protocol <name>', 'what it speaks', 'mqtt')
    .option('--listener <name>', 'where it came in')
    .action(async (user: string, action: string, topic: string, flags: import('./acl.ts').CheckFlags) =>
      done(await (await import('./acl.ts')).check(io, user, action, topic, flags)),
    );
}

/** Commands that speak to a hub that runs. */
function keepingOut(command: Make, io: Io, done: Done): void {
  type Flags = import('./admin.ts').BanFlags;
  const sub = (name: string, about: string) =>
    command(name, about)
      .option('--url <url>', "the hub's web port", 'http://localhost:8080')
      .option('--user <name>', 'admin, or viewer for those who only look', 'admin')
      .option(
        '--password-file <file>',
        'its password is the first line; else WAYMEET_ADMIN_PASSWORD, or it is asked for',
      );
  sub('ban <kind> <value>', 'Keep an address, a user or a client out of a hub that runs.')
    .option('--for <time>', 'how long, such as 10min or 7d; else until it is lifted')
    .option('--why <text>', 'what `waymeet bans` shows')
    .action(async (kind: string, value: string, flags: Flags) =>
      done(await (await import('./admin.ts')).ban(io, kind, value, flags)),
    );
  sub('unban <kind> <value>', 'Let it in again.').action(async (kind: string, value: string, flags: Flags) =>
    done(await (await import('./admin.ts')).unban(io, kind, value, flags)),
  );
  sub('bans', 'List who is kept out.').action(async (flags: Flags) =>
    done(await (await import('./admin.ts')).bans(io, flags)),
  );
  sub('kick <kind> <value>', 'Send away the clients of an address, a user or a client id.').action(
    async (kind: string, value: string, flags: Flags) =>
      done(await (await import('./admin.ts')).kick(io, kind, value, flags)),
  );
}

function config(parent: Command, command: Make, io: Io, done: Done, settings: Settings): void {
  command('check [file]', 'Say everything that is wrong in it.', parent)
    .option('--config <file>', 'the same as file')
    .action(async (file: string | undefined, flags: { config?: string }) =>
      done(await (await import('./config.ts')).check(io, file ?? flags.config)),
    );
  const print = command('print [file]', 'Show every setting, and where it comes from.', parent)
    .option('--config <file>', 'the same as file')
    .option('--json', 'as JSON');
  settings?.addSettings(print);
  print.action(async (file: string | undefined, flags: { config?: string; json?: boolean }) =>
    done(
      (await import('./config.ts')).print(
        io,
        file ?? flags.config,
        settings?.settingFlags(print) ?? new Map(),
        flags.json === true,
      ),
    ),
  );
  command('reference', 'Write the reference page of all settings.', parent).action(async () =>
    done((await import('./config.ts')).printReference(io)),
  );
}
