// docs/mapping.md: what the crossings of pairs.test.ts assert and the outcome tables of the towers, written down for readers.

import type { Outcome } from '../../src/contract/outcome.ts';
import { CONDITION as AMQP1 } from '../../src/protocol/amqp1/map.ts';
import { CODE_OF as AMQP091 } from '../../src/protocol/amqp091/map.ts';
import { CODE_OF as COAP } from '../../src/protocol/coap/map.ts';
import { ANSWER_OF as HTTP } from '../../src/protocol/http/map.ts';
import { CONNACK_3, CONNACK_5, PUBLISH_3, PUBLISH_5 } from '../../src/protocol/mqtt/map.ts';
import { type Ability, PROTOCOLS, type Said } from './speakers.ts';

/** What each word of a test's message is called by people. */
const WORDS: readonly (readonly [name: string, word: keyof Said])[] = [
  ['content type', 'contentType'],
  ['text or octets', 'text'],
  ['response topic', 'responseTopic'],
  ['correlation', 'correlation'],
  ['user properties, in order, with duplicates', 'user'],
  ['expiry, less the time it waited', 'expiryMs'],
];

const yes = (carried: boolean): string => (carried ? '✓' : '–');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function abilities(): string {
  const names = Object.keys(PROTOCOLS);
  const row = (what: string, of: (a: Ability) => string): string[] => [
    what,
    ...names.map((name) => of(PROTOCOLS[name]!)),
  ];
  return table(
    ['', ...names],
    [
      row('highest QoS', (a) => String(a.maxQos)),
      row('tells the topic', (a) => yes(a.tellsTopic)),
      row('tells retained from live', (a) => yes(a.tellsRetained)),
      ...WORDS.flatMap(([name, word]) => [
        row(`${name}: to the hub`, (a) => yes(a.says.includes(word))),
        row(`${name}: from it`, (a) => yes(a.hears.includes(word))),
      ]),
    ],
  );
}

const hex = (code: number): string => `0x${code.toString(16).padStart(2, '0')}`;
const coap = (code: number): string => `${code >> 5}.${String(code & 31).padStart(2, '0')}`;

function outcomes(): string {
  const rows = (Object.keys(COAP) as Outcome[]).map((o) => [
    o,
    String(CONNACK_3[o]),
    PUBLISH_3[o],
    hex(CONNACK_5[o]),
    hex(PUBLISH_5[o]),
    coap(COAP[o]),
    String(HTTP[o][0]),
    AMQP091[o] === 0 ? '–' : String(AMQP091[o]),
    o === 'ok' ? '–' : AMQP1[o].slice('amqp:'.length),
  ]);
  const head = [
    'outcome',
    'MQTT 3 CONNACK',
    'PUBLISH',
    'MQTT 5 CONNACK',
    'PUBACK, PUBREC',
    'CoAP',
    'HTTP',
    'AMQP 0-9-1',
    'AMQP 1.0',
  ];
  return table(head, rows);
}

/** The parts of the document that are generated, by the name that stands in its markers. */
const PARTS: Readonly<Record<string, () => string>> = { abilities, outcomes };

/** The document with its generated parts made anew. Throws when one has no place in it. */
export function written(document: string): string {
  let text = document;
  for (const [name, part] of Object.entries(PARTS)) {
    const place = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- end -->)`);
    if (!place.test(text)) throw new Error(`docs/mapping.md has no place for ${name}`);
    text = text.replace(place, (_all, begin: string, end: string) => `${begin}\n${part()}\n\n${end}`);
  }
  return text;
}
