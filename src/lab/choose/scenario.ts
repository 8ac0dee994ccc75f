// What answers mean for the measurement: which network, which way messages go, how often an idle device speaks; and which of that is needed.

import { NAT, NETWORKS } from '../networks.ts';
import { VARIANTS } from '../variant.ts';
import type { WorkloadInput } from '../workload.ts';
import type { Answers } from './advice.ts';
import { QUESTIONS } from './questions.ts';
import { exclusions } from './score.ts';

/** A workload without its variants, on one network. */
export interface Scenario {
  readonly workload: Omit<WorkloadInput, 'networks' | 'variants'>;
  readonly network: NonNullable<WorkloadInput['networks']>[number];
  /** The network's name in the answers: what is taken from a run that was made for something else. */
  readonly plain: string;
  /** Its title, as in `nb-iot without NAT`. */
  readonly name: string;
}

/** The network of the answers, but worse: what a bad day, or a bad place, makes of the choice. */
export interface Harder {
  readonly id: string;
  readonly about: string;
  readonly change: { readonly loss?: number; readonly upKbps?: number; readonly downKbps?: number };
}

export const HARDER: readonly Harder[] = [
  { id: '5 % loss', about: 'one frame of twenty is lost', change: { loss: 0.05 } },
  { id: '20 % loss', about: 'one frame of five is lost', change: { loss: 0.2 } },
  { id: '10 kbit/s', about: 'both ways', change: { upKbps: 10, downKbps: 10 } },
];

const MESSAGES = 100;
const QUIET_SECONDS = 900;
/** One a minute: what a sensor does. */
const RATE = 1 / 60;

/** `own` is what the person said of the workload, which no answer changes. */
export function scenarioOf(answers: Answers, own: WorkloadInput, harder?: Harder): Scenario {
  const { networks: _networks, variants: _variants, sweeps: _sweeps, ...said } = own;
  const plain = answers['network']!;
  const network = networkOf(plain, answers['nat'] !== 'no', harder);
  return {
    workload: {
      messages: MESSAGES,
      rate: RATE,
      direction: answers['model'] === 'commands' ? 'down' : 'up',
      // A device that only reports need not be reached: it saves its keep-alives.
      ...(answers['power'] === 'battery' && answers['model'] === 'telemetry'
        ? { keepAliveSeconds: QUIET_SECONDS }
        : {}),
      ...said,
    },
    network,
    plain,
    name: typeof network === 'string' ? network : network.name,
  };
}

/** Behind a NAT, or not, as it is answered: some networks have one by nature. */
function networkOf(plain: string, behindNat: boolean, harder: Harder | undefined): Scenario['network'] {
  const { natUdpMs } = NETWORKS[plain]!;
  const names: string[] = [];
  const change = { ...harder?.change };
  if (behindNat !== natUdpMs > 0) {
    Object.assign(change, behindNat ? NAT : { natUdpMs: 0, natTcpMs: 0 });
    names.push(behindNat ? 'behind a NAT' : 'without NAT');
  }
  if (harder !== undefined) names.push(`${names.length > 0 ? 'and ' : ''}with ${harder.id}`);
  return names.length === 0 ? plain : { name: [plain, ...names].join(' '), from: plain, ...change };
}

/** Whether it makes that network worse at all. */
export function worsens({ change }: Harder, network: string): boolean {
  const { loss, upKbps } = NETWORKS[network]!;
  return (change.loss ?? 0) > loss || (change.upKbps ?? upKbps) < upKbps;
}

/** The answers with one of them turned, for each that there is. */
export function turned(answers: Answers): {
  readonly question: string;
  readonly answer: string;
  readonly about: string;
  readonly answers: Answers;
}[] {
  return QUESTIONS.flatMap(({ id, choices }) =>
    choices
      .filter(({ value }) => value !== answers[id])
      .map(({ value, about }) => ({
        question: id,
        answer: value,
        about,
        answers: { ...answers, [id]: value },
      })),
  );
}

export interface Need {
  readonly scenario: Scenario;
  readonly variants: readonly string[];
}

/** All that must be measured to rank under these answers, and under each that has one of them turned. */
export function needsOf(answers: Answers, own: WorkloadInput): Need[] {
  const needs = new Map<string, { scenario: Scenario; variants: Set<string> }>();
  const need = (scenario: Scenario, under: Answers): void => {
    const key = JSON.stringify([scenario.workload, scenario.network]);
    const found = needs.get(key) ?? { scenario, variants: new Set() };
    needs.set(key, found);
    for (const v of VARIANTS) if (exclusions(v, under).length === 0) found.variants.add(v.id);
  };
  need(scenarioOf(answers, own), answers);
  for (const turn of turned(answers)) need(scenarioOf(turn.answers, own), turn.answers);
  for (const harder of HARDER)
    if (worsens(harder, answers['network']!)) need(scenarioOf(answers, own, harder), answers);
  return [...needs.values()].map(({ scenario, variants }) => ({
    scenario,
    variants: VARIANTS.filter((v) => variants.has(v.id)).map((v) => v.id),
  }));
}
