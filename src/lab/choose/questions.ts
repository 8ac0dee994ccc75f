// What is asked of somebody who looks for a protocol: data, which a terminal, flags and the dashboard's page all read.

import { NETWORKS } from '../networks.ts';
import { WorkloadError } from '../workload.ts';
import type { Answers } from './advice.ts';

export interface Choice {
  readonly value: string;
  readonly about: string;
}

export interface Question {
  readonly id: string;
  readonly asks: string;
  /** The first one is taken when nobody says. */
  readonly choices: readonly Choice[];
}

const question = (
  id: string,
  asks: string,
  ...choices: readonly (readonly [string, string])[]
): Question => ({
  id,
  asks,
  choices: choices.map(([value, about]) => ({ value, about })),
});

export const QUESTIONS: readonly Question[] = [
  question(
    'model',
    'What do you send?',
    ['telemetry', 'readings from many devices, to whoever subscribes'],
    ['commands', 'orders to devices, which are to arrive soon'],
    ['requests', 'questions to a device or a service, with answers'],
    ['work', 'tasks, each for one of several workers'],
    ['chat', 'messages among people and devices, with presence'],
  ),
  question(
    'delivery',
    'What must be true of each message?',
    ['at-least-once', 'it arrives; twice is no harm'],
    ['best-effort', 'the next one makes up for a lost one'],
    ['exactly-once', 'it arrives once, whatever happens'],
  ),
  question(
    'restful',
    'Is it a REST interface: resources with GET and PUT?',
    ['no', 'or it does not matter'],
    ['yes', 'clients and caches are to see resources'],
  ),
  question(
    'device',
    'What is the device?',
    ['class2', 'a microcontroller with 50 kB of RAM or more'],
    ['class1', 'a microcontroller with about 10 kB of RAM'],
    ['linux', 'a gateway, a phone, a small computer'],
    ['server', 'a server'],
  ),
  question(
    'power',
    'What feeds it?',
    ['mains', 'the grid, or a vehicle'],
    ['battery', 'a battery, for years'],
  ),
  {
    id: 'network',
    asks: 'What network is it on?',
    choices: Object.values(NETWORKS).map((n) => ({ value: n.name, about: n.title })),
  },
  question(
    'nat',
    'Is there a NAT or a firewall in between?',
    ['yes', 'the device dials out, and idle mappings are forgotten'],
    ['no', 'everybody reaches everybody'],
    ['web-only', 'nothing but ports 80 and 443 gets out'],
  ),
  question('browser', 'Does a browser take part?', ['no', ''], ['yes', 'as a dashboard, say']),
  question(
    'cloud',
    'Which cloud does it end in?',
    ['none', 'your own servers'],
    ['aws', 'AWS IoT Core'],
    ['azure', 'Azure IoT Hub'],
  ),
  question(
    'backend',
    'What is there already?',
    ['none', 'nothing, or it does not matter'],
    ['rabbitmq', 'RabbitMQ'],
    ['jms', 'ActiveMQ, Artemis or another JMS broker'],
    ['http', 'web services'],
    ['xmpp', 'an XMPP server'],
  ),
  question('security', 'Is it encrypted?', ['yes', 'TLS or DTLS'], ['no', 'the network below is']),
];

/** Fills in what was not said. Throws WorkloadError for what is no question, or no answer to it. */
export function answersOf(said: Readonly<Record<string, string | undefined>>): Answers {
  for (const id of Object.keys(said))
    if (!QUESTIONS.some((q) => q.id === id))
      throw new WorkloadError(
        `there is no question '${id}'; there are ${QUESTIONS.map((q) => q.id).join(', ')}`,
      );
  return Object.fromEntries(
    QUESTIONS.map(({ id, choices }) => {
      const value = said[id] ?? choices[0]!.value;
      if (!choices.some((c) => c.value === value))
        throw new WorkloadError(
          `'${value}' is no answer to '${id}'; there are ${choices.map((c) => c.value).join(', ')}`,
        );
      return [id, value];
    }),
  );
}
