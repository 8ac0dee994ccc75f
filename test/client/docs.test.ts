// docs/client.md and docs/patterns.md as they stand: the table of what protocols can is what they can, and each piece of code does what it says.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from '../../src/client/client.ts';
import { connect } from '../../src/client/connect.ts';
import * as client from '../../src/client/index.ts';
import type { ConnectOptions } from '../../src/client/options.ts';
import * as patterns from '../../src/client/patterns/index.ts';
import * as reasons from '../../src/client/reasons.ts';
import { SCHEMES } from '../../src/client/scheme.ts';
import { type Ability, EVERY_META } from '../../src/contract/speaker.ts';
import type { Server } from '../../src/server/start.ts';
import { ClientWorld } from '../client-world.ts';
import { startBroker } from '../network.ts';
import { startHub } from '../web/hub.ts';

const ROOT = path.join(import.meta.dirname, '../..');
const read = (name: string) => readFileSync(path.join(ROOT, 'docs', name), 'utf8');

/** Title, URL, and the broker's protocol behind it. */
const ROWS: readonly [title: string, url: string, protocol: string][] = [
  ['MQTT 5', 'mqtt://hub', 'mqtt'],
  ['MQTT 3.1, 3.1.1', 'mqtt://hub?version=3.1.1', 'mqtt'],
  ['MQTT-SN', 'mqttsn://hub', 'mqttsn'],
  ['CoAP', 'coap://hub', 'coap'],
  ['HTTP', 'http://hub', 'http'],
  ['JSON, CBOR', 'json+ws://hub', 'waymeet.v1'],
  ['AMQP 1.0', 'amqp://hub', 'amqp1'],
  ['AMQP 0-9-1', 'amqp091://hub', 'amqp091'],
  ['STOMP', 'stomp://hub', 'stomp'],
  ['XMPP', 'xmpp://hub', 'xmpp'],
];

const yes = (can: boolean | undefined) => (can === true ? 'yes' : '–');

function row(title: string, can: Ability): string {
  const lacking = EVERY_META.filter((name) => !can.meta.includes(name));
  const properties =
    lacking.length === 0
      ? 'all'
      : lacking.length === EVERY_META.length
        ? '–'
        : `all but ${lacking.join(', ')}`;
  const qos = can.publishQos.join(' ');
  const cells = [
    title,
    qos === can.subscribeQos.join(' ') ? qos : `${qos}; subscribing ${can.subscribeQos.join(' ')}`,
    ...[can.retain, can.wildcards, can.shared, can.queues, can.returns, can.sessions].map(yes),
    ...[can.wills, can.expiry, can.noLocal, can.retainedChoice].map(yes),
    properties,
  ];
  return `| ${cells.join(' | ')} |`;
}

test('the table of docs/client.md is what the protocols can at Waymeet', async () => {
  const rows: string[] = [];
  // Loading takes real time, which no virtual time-out should see.
  for (const [, url] of ROWS) await SCHEMES[new URL(url).protocol]!.load();
  for (const [title, url, protocol] of ROWS) {
    const w = new ClientWorld(await startBroker(), { protocol: () => protocol });
    rows.push(row(title, (await w.connect(url)).ability));
  }
  const said = read('client.md')
    .split('\n')
    .filter((line) => ROWS.some(([title]) => line.startsWith(`| ${title} | `)));
  expect(said).toEqual(rows);
});

test('every scheme is in the table of schemes', async () => {
  const text = read('client.md');
  for (const scheme of Object.keys(SCHEMES)) expect(text).toContain(`\`${scheme.slice(0, -1)}\``);
});

let hub: Server;
const folder = mkdtempSync(path.join(tmpdir(), 'waymeet-docs-'));
const opened: Client[] = [];
beforeAll(async () => {
  const rules = [
    { deny: 'publish', filter: 'forbidden' },
    { allow: 'both', filter: '#' },
    { allow: 'both', filter: '$queue/#' },
  ];
  hub = await startHub({
    auth: { engine: 'file', rules },
    listeners: [{ name: 'mqtt', type: 'tcp', port: 0, anonymous: true }],
  });
});
afterAll(async () => {
  await hub.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** As the documents call it, but to this hub, and in a folder of our own. */
async function connectHere(urls: string | readonly string[], o: ConnectOptions = {}): Promise<Client> {
  const here = (url: string) => url.replace(/^mqtts?:\/\/[\w.]+/, hub.address('mqtt').replace(/\/$/, ''));
  const list = typeof urls === 'string' ? here(urls) : urls.map(here);
  const outbox = o.outbox?.at === undefined ? {} : { outbox: { at: path.join(folder, o.outbox.at) } };
  const one = await connect(list, { ...o, ...outbox });
  opened.push(one);
  return one;
}

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (
  ...words: string[]
) => (...values: unknown[]) => Promise<unknown>;

interface Piece {
  readonly document: string;
  readonly code: string;
  readonly title: string;
}

const PIECES: readonly Piece[] = ['client.md', 'patterns.md'].flatMap((document) =>
  [...read(document).matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => ({
    document,
    code: code!,
    title: code!.split('\n').findLast((line) => line.trim() !== '')!,
  })),
);

/** What a piece prints or leaves in its last variable, by what is in its code; each piece has one. */
const OUTCOMES: readonly [has: string, after: string, heard: RegExp][] = [
  ["publish('room/1/heat', '21.5'", '', /^room\/1\/heat 21\.5$/m],
  ['reasonName', '', /\(0x87\).* = Not authorized$/m],
  ["publish('meter/7', '42'", "console.log('kept')", /^kept$/m],
  ['a.example', "await client.close(); console.log('over')", /^closed$/m],
  ['tap:', '', /^out .*68656c6c6f a$/m],
  ["} from 'waymeet/client/patterns';", 'console.log(typeof survey)', /^function$/m],
  ['calc/add', 'console.log(answer.json())', /^3$/m],
  ['handle(job.json())', 'await handling', /^handled 1$/m],
  ['await announce(me)', 'await leave()', /^c true$/m],
];

describe.each(PIECES)('$document: $title', ({ code }) => {
  test('does what it says', async () => {
    const outcome = OUTCOMES.filter(([has]) => code.includes(has));
    expect(outcome, 'a piece of code that no row tells about').toHaveLength(1);
    const [[, after, heard]] = outcome as [(typeof OUTCOMES)[number]];
    let said = '';
    let tell: () => void = () => {};
    const heardIt = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const names: Record<string, unknown> = {
      ...client,
      ...patterns,
      ...reasons,
      connect: connectHere,
      console: {
        log: (...words: unknown[]) => {
          said += `${words.join(' ')}\n`;
          if (heard.test(said)) tell();
        },
      },
      process: { once: () => {} },
      handling: heardIt,
      handle: (job: { n: number }) => {
        said += `handled ${job.n}\n`;
        if (heard.test(said)) tell();
      },
    };
    const plain = code.replace(/^import .*;$/gm, '');
    if (!/const client\b/.test(plain)) names.client = await connectHere('mqtt://localhost');
    const body = `${plain};\n${after};`;
    const running = new AsyncFunction(...Object.keys(names), body)(...Object.values(names));
    // One loop has no end of its own.
    await (code.includes('presence(client)) ') ? Promise.race([heardIt, running]) : running);
    for (const one of opened.splice(0)) await one.close();
    await running.catch((why: { code?: string }) => {
      if (why.code !== 'closed') throw why;
    });
    expect(said).toMatch(heard);
  });
});
