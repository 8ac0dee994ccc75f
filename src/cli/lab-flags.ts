// `waymeet lab` and its flags; what it does is loaded when it is called.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { whole } from './connection.ts';
import type { Io } from './io.ts';

type Make = (name: string, about: string, parent?: Command) => Command;
type Done = (code: number) => void;

export interface RunFlags {
  variants?: string[];
  networks?: string[];
  messages?: number;
  devices?: number;
  rate?: number;
  size?: number;
  shape?: string;
  topic?: string;
  direction?: string;
  fanOut?: number;
  qos?: string;
  security?: string;
  retained?: boolean;
  keepAlive?: number;
  reconnectEvery?: number;
  resume: boolean;
  loss?: number;
  delay?: number;
  outage?: { after: number; seconds: number };
  sweep?: string[];
  seed?: number;
  set: string[];
  real?: string[];
  insecure?: boolean;
  threads?: number;
  save: boolean;
  out?: string;
  html?: string;
  csv?: string;
  json?: boolean;
  quiet?: boolean;
}

export interface ReportFlags {
  html?: string;
  csv?: string;
  json?: boolean;
}

export function defineLab(command: Command, make: Make, version: string, io: Io, done: Done): void {
  const lab = () => import('./lab.ts');
  const run = make('run', 'Run one workload over many protocols and networks, in virtual time.', command)
    .argument('[workload]', 'a YAML file; flags come on top of it')
    .addHelpText('after', '\nwaymeet lab list shows the variants and networks that there are.');
  workloadFlags(run)
    .addOption(new Option('--threads <n>', 'at a time; default: one a processor').argParser(whole(0, 256)))
    .option('--out <file>', 'where the run is kept, line by line; default: waymeet-lab/{run}.ndjson')
    .option('--no-save', 'keep nothing')
    .option('--html <file>', 'write a page with plots')
    .option('--csv <file>', 'write comma-separated values')
    .option('--json', 'print each cell as a line of JSON as it is done, instead of tables')
    .option('--quiet', 'no progress bar')
    .optionsGroup('Real brokers:')
    .option('--real <url...>', 'real clients on real sockets against these, instead of the simulation')
    .option('--insecure', 'take any certificate')
    .action(async (file: string | undefined, flags: RunFlags) =>
      done(await (await lab()).run(io, version, file, flags)),
    );
  make('report', 'Show a run again: as tables, JSON, CSV or a page.', command)
    .argument('[run]', 'its id or its file; default: the newest in waymeet-lab/')
    .option('--html <file>', 'write a page with plots')
    .option('--csv <file>', 'write comma-separated values')
    .option('--json', 'print the cells as lines of JSON')
    .action(async (name: string | undefined, flags: ReportFlags) =>
      done(await (await lab()).report(io, name, flags)),
    );
  defineChoose(make('choose', 'Say which protocol fits, and why.', command), io, done, version);
  make('list', 'List what there is: variants, networks, radios, runs.', command)
    .argument('[what]', 'variants, networks, radios or runs; default: all')
    .option('--json', 'as JSON')
    .action(async (what: string | undefined, flags: { json?: boolean }) =>
      done(await (await lab()).list(io, what, flags.json === true)),
    );
}

export interface ChooseFlags extends Record<string, unknown> {
  json?: boolean;
  list?: boolean;
  run?: string;
  save: boolean;
  messages?: number;
  rate?: number;
  size?: number;
  top: number;
}

function defineChoose(command: Command, io: Io, done: Done, version: string): void {
  command
    .addHelpText(
      'after',
      '\nOn a terminal, what no flag says is asked. --list shows the questions, their answers and the rules.',
    )
    .optionsGroup('Answers:');
  for (const [flag, about] of CHOOSE) command.option(`--${flag} <answer>`, about);
  command
    .optionsGroup('What is measured:')
    .option(
      '--run <run>',
      'use the figures of this run alone; default: those of kept runs, and measure the rest',
    )
    .option('--no-save', 'keep nothing of what is measured')
    .addOption(new Option('--messages <n>', 'default: 100').argParser(whole(1, 1_000_000)))
    .addOption(new Option('--rate <n>', 'messages a second; default: one a minute').argParser(decimal))
    .addOption(new Option('--size <octets>', 'of a payload; default: 20').argParser(whole(8, 1_048_576)))
    .optionsGroup('Output:')
    .addOption(new Option('--top <n>', 'so many of the ranking').argParser(whole(1, 100)).default(5))
    .option('--list', 'show questions and rules, and choose nothing')
    .option('--json', 'print the advice as JSON, and ask nothing')
    .action(async (flags: ChooseFlags) => {
      const { choose } = await import('./lab-choose.ts');
      done(
        await choose(
          io,
          version,
          flags,
          CHOOSE.map(([flag]) => flag),
        ),
      );
    });
}

/** One flag for each question (src/lab/choose/questions.ts), here because help must be quick. */
const CHOOSE: readonly (readonly [flag: string, about: string])[] = [
  ['model', 'telemetry, commands, requests, work or chat'],
  ['delivery', 'best-effort, at-least-once or exactly-once'],
  ['restful', 'yes or no'],
  ['device', 'class1, class2, linux or server'],
  ['power', 'mains or battery'],
  ['network', 'as in waymeet lab list networks'],
  ['nat', 'yes, no or web-only'],
  ['browser', 'yes or no'],
  ['cloud', 'none, aws or azure'],
  ['backend', 'none, rabbitmq, jms, http or xmpp'],
  ['security', 'yes or no'],
];

function workloadFlags(command: Command): Command {
  return command
    .optionsGroup('The workload:')
    .addOption(new Option('--variants <names>', 'which, with commas; all: every one').argParser(words))
    .addOption(new Option('--networks <names>', 'which, with commas').argParser(words))
    .addOption(new Option('--messages <n>', 'in all').argParser(whole(1, 1_000_000)))
    .addOption(new Option('--devices <n>', 'that share them').argParser(whole(1, 1_000)))
    .addOption(
      new Option('--rate <n>', 'messages a second of each device; 0: as fast as they go').argParser(decimal),
    )
    .addOption(new Option('--size <octets>', 'of a payload').argParser(whole(8, 1_048_576)))
    .option('--shape <shape>', 'of a payload: binary, text or json')
    .option('--topic <topic>', '{device} becomes the number of the device')
    .option('--direction <way>', 'up: devices publish; down: they subscribe; both')
    .addOption(new Option('--fan-out <n>', 'subscribers of each message').argParser(whole(1, 1_000)))
    .option('--qos <level>', 'only variants of 0, 1 or 2')
    .option('--security <which>', 'only variants with some, or with none')
    .option('--retained', "each message becomes its topic's last value")
    .addOption(new Option('--keep-alive <seconds>', '0: none').argParser(whole(0, 65_535)))
    .addOption(
      new Option('--reconnect-every <n>', 'messages; 1: a device sleeps in between').argParser(whole(0, 1e6)),
    )
    .option('--no-resume', 'TLS and DTLS sessions are not resumed')
    .addOption(new Option('--loss <share>', 'on every network, 0 to 0.9').argParser(decimal))
    .addOption(new Option('--delay <ms>', 'one way, on every network').argParser(decimal))
    .addOption(
      new Option('--outage <after+seconds>', 'nothing passes: 60+30 begins after 60 s').argParser(outage),
    )
    .addOption(new Option('--sweep <what>', 'loss, rate or both: more cells, for the plots').argParser(words))
    .addOption(
      new Option('--seed <n>', 'the same seed gives the same figures').argParser(whole(0, 4_294_967_295)),
    )
    .addOption(
      new Option('--set <path=value...>', 'anything else of a workload: tls.version=1.2').default(
        [],
        'nothing',
      ),
    );
}

function words(text: string): string[] {
  return text.split(',').map((word) => word.trim());
}

function decimal(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('it is a number of 0 or more');
  return value;
}

function outage(text: string): { after: number; seconds: number } {
  const match = /^(\d+(?:\.\d+)?)\+(\d+(?:\.\d+)?)$/.exec(text);
  if (match === null) throw new InvalidArgumentError('it is two numbers of seconds, as 60+30');
  return { after: Number(match[1]), seconds: Number(match[2]) };
}
