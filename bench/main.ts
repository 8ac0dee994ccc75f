// `npm run bench`: every chosen scenario against every broker that can run here, and the table of it.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { aedes } from './brokers/aedes.ts';
import type { Broker } from './brokers/broker.ts';
import { floor } from './brokers/floor.ts';
import { libcoap } from './brokers/libcoap.ts';
import { mosquitto } from './brokers/mosquitto.ts';
import { rabbitmq } from './brokers/rabbitmq.ts';
import { waymeet, waymeetInMemory } from './brokers/waymeet.ts';
import type { Answer } from './generator/job.ts';
import { type Options, parseOptions, USAGE } from './options.ts';
import { median, type Row, table } from './report/table.ts';
import { runScenario } from './run.ts';
import { SCENARIOS } from './scenarios/list.ts';

const BROKERS: readonly Broker[] = [waymeet, mosquitto, rabbitmq, libcoap, aedes, waymeetInMemory, floor];

async function main(): Promise<void> {
  const canPin = spawnSync('taskset', ['-V']).status === 0;
  const options = parseOptions(process.argv.slice(2), BROKERS, canPin);
  if (options === 'help') return console.log(USAGE);
  if (options === 'list') {
    for (const { name, title } of SCENARIOS) console.log(name.padEnd(18), title);
    return console.log('brokers:', BROKERS.map(({ name }) => name).join(', '));
  }
  const { present, versions } = await findBrokers(options);
  if (present.length === 0) throw new Error('no broker to measure');
  const { brokerCore, generatorCore } = options;
  console.log(`${cpus()[0]?.model}; node ${process.version}; MQTT ${options.level === 4 ? '3.1.1' : '5.0'}`);
  console.log(
    brokerCore === undefined
      ? 'not pinned: taskset is missing, or there is one core only; figures will be noisy'
      : `broker on core ${brokerCore}, generator on core ${generatorCore}`,
  );
  const rows = await measure(options, present);
  console.log(
    `\n${table(
      rows,
      present.map(({ name }) => name),
    )}`,
  );
  console.log('\n"a vs b": how many times better a is. generator/message: the generator\'s own CPU.');
  const errors = rows.flatMap(({ scenario, answers }) =>
    [...answers].flatMap(([name, answer]) =>
      'error' in answer ? [`ERROR ${scenario}, ${name}: ${answer.error}`] : [],
    ),
  );
  for (const error of errors) console.log(error);
  if (options.json !== undefined) writeJson(options.json, versions, rows);
  if (errors.length > 0) process.exitCode = 1;
}

async function findBrokers(
  options: Options,
): Promise<{ present: readonly Broker[]; versions: readonly string[] }> {
  const present: Broker[] = [];
  const versions: string[] = [];
  for (const broker of options.brokers) {
    const found = await broker.available();
    if ('version' in found) {
      present.push(broker);
      versions.push(found.version);
      console.log(found.version);
    } else console.log(`${broker.name} is left out: ${found.missing}`);
  }
  return { present, versions };
}

async function measure(options: Options, brokers: readonly Broker[]): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const scenario of options.scenarios) {
    process.stderr.write(`${scenario.name}: ${scenario.title}\n`);
    const rounds = new Map<string, Answer[]>();
    // round by round, broker by broker: what else the machine does then disturbs all of them alike
    for (let round = 0; round < options.rounds; round++) {
      for (const broker of brokers) {
        if (broker.takesPart?.(scenario, options.level) === false) continue;
        const answer = await runScenario(scenario, broker, options);
        rounds.set(broker.name, [...(rounds.get(broker.name) ?? []), answer]);
      }
    }
    if (rounds.size === 0) continue;
    const answers = new Map([...rounds].map(([name, each]) => [name, median(each)]));
    rows.push({ scenario: scenario.name, title: scenario.title, answers });
  }
  return rows;
}

function writeJson(file: string, versions: readonly string[], rows: readonly Row[]): void {
  const plain = rows.map((row) => ({ ...row, answers: Object.fromEntries(row.answers) }));
  writeFileSync(
    file,
    `${JSON.stringify({ node: process.version, cpu: cpus()[0]?.model, versions, rows: plain }, null, 2)}\n`,
  );
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 2;
});
