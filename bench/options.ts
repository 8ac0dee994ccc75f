// The bench's command line: which scenarios, against which brokers, for how long, on which cores.

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { Broker } from './brokers/broker.ts';
import type { Level } from './generator/frames.ts';
import { SCENARIOS, type Scenario, SMOKE } from './scenarios/list.ts';

export interface Options {
  readonly scenarios: readonly Scenario[];
  readonly brokers: readonly Broker[];
  readonly level: Level;
  readonly warmMs: number;
  readonly measureMs: number;
  readonly rounds: number;
  /** Messages under way from each publisher, at most; undefined: the scenario's, and the broker's best. */
  readonly window: number | undefined;
  readonly brokerCore: number | undefined;
  readonly generatorCore: number | undefined;
  /** Folder for CPU profiles of the brokers that can write them. */
  readonly profileDir: string | undefined;
  /** File for the result as JSON. */
  readonly json: string | undefined;
}

export const USAGE = `npm run bench -- [options]
  --smoke              a few scenarios with small counts, in less than 40 s
  --scenarios a,b      only these; "p2p*" takes all that begin so
  --peers a,b          only these brokers, the first is the base of the ratios
  --seconds n          measured time of each scenario (default 3; smoke 0.4)
  --warm n             seconds before it (default 2; smoke 0.3)
  --rounds n           repeat everything, print medians (default 1)
  --window n           messages under way from each publisher, at most, for all brokers alike: a power of two
  --protocol 4|5       MQTT 3.1.1 or 5.0 (default 4)
  --cores b,g          core of the broker and of the generator (default 0,1); "none": do not pin
  --json file          write the figures there too
  --profile folder     write a CPU profile of waymeet for every scenario there
  --list               print the scenarios and brokers, and end`;

/** Throws an Error that says which flag is wrong. */
export function parseOptions(
  argv: readonly string[],
  all: readonly Broker[],
  canPin: boolean,
): Options | 'list' | 'help' {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      smoke: { type: 'boolean', default: false },
      scenarios: { type: 'string' },
      peers: { type: 'string' },
      seconds: { type: 'string' },
      warm: { type: 'string' },
      rounds: { type: 'string', default: '1' },
      window: { type: 'string' },
      protocol: { type: 'string', default: '4' },
      cores: { type: 'string', default: '0,1' },
      profile: { type: 'string' },
      json: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  if (values.list) return 'list';
  if (values.protocol !== '4' && values.protocol !== '5') throw new Error('--protocol: 4 or 5');
  const pin = canPin && values.cores !== 'none' && availableParallelism() > 1;
  const cores = pin ? values.cores.split(',').map((core) => positive('cores', core, 0)) : [];
  const byDefault = all.filter(({ asked }) => !asked).map(({ name }) => name);
  return {
    scenarios: chosenScenarios(values.scenarios, values.smoke),
    brokers: (values.peers?.split(',') ?? byDefault).map((name) => brokerNamed(name, all)),
    level: values.protocol === '5' ? 5 : 4,
    measureMs: 1000 * positive('seconds', values.seconds ?? (values.smoke ? '0.4' : '3')),
    warmMs: 1000 * positive('warm', values.warm ?? (values.smoke ? '0.3' : '2')),
    rounds: positive('rounds', values.rounds, 1),
    window: powerOfTwo(values.window),
    brokerCore: cores[0],
    generatorCore: cores[1] ?? cores[0],
    profileDir: values.profile,
    json: values.json,
  };
}

function positive(flag: string, text: string, least = Number.MIN_VALUE): number {
  const value = Number(text);
  if (!(value >= least)) throw new Error(`--${flag}: "${text}" is no number that can be used`);
  return value;
}

function powerOfTwo(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = positive('window', text, 1);
  if (!Number.isInteger(Math.log2(value))) throw new Error(`--window: ${text} is no power of two`);
  return value;
}

function chosenScenarios(names: string | undefined, smoke: boolean): readonly Scenario[] {
  const from = smoke ? SMOKE : SCENARIOS;
  if (names === undefined) return from;
  return names.split(',').flatMap((name) => {
    const fits = (scenario: Scenario) =>
      name.endsWith('*') ? scenario.name.startsWith(name.slice(0, -1)) : scenario.name === name;
    const found = from.filter(fits);
    if (found.length === 0)
      throw new Error(`--scenarios: "${name}" is none of ${from.map((s) => s.name).join(', ')}`);
    return found;
  });
}

function brokerNamed(name: string, all: readonly Broker[]): Broker {
  const found = all.find((broker) => broker.name === name);
  if (found === undefined)
    throw new Error(`--peers: "${name}" is none of ${all.map((b) => b.name).join(', ')}`);
  return found;
}
