// The pub/sub surface (draft-ietf-core-coap-pubsub) over a whole hub: topics made, found, changed, filled and removed.

import { describe, expect, test } from 'vitest';
import { CoapTestClient, type RequestParts } from '../../../test/coap-client.ts';
import { MqttClient } from '../../../test/mqtt-client.ts';
import { type Broker, OPEN, startBroker } from '../../../test/network.ts';
import { type Cbor, decodeCbor, encodeCbor } from '../../bytes/cbor.ts';
import type { Auth } from '../../contract/auth.ts';
import { PUBLISH } from '../mqtt/packet.ts';
import { codeText, OPTION } from './packet.ts';

const PUBSUB = 606;
const TOPIC = new Map<number, Cbor>([
  [0, 'living-room/heat'],
  [2, 'core.ps.data'],
]);

class Client extends CoapTestClient {
  private readonly broker: Broker;

  constructor(broker: Broker) {
    super(broker);
    this.broker = broker;
  }

  /** `2.05` and the payload: a map as entries, or text. */
  async ask(line: string, body?: unknown, parts: RequestParts = {}): Promise<[code: string, said: unknown]> {
    const payload = body === undefined ? {} : { payload: encodeCbor(body), format: PUBSUB };
    this.request(line, { ...payload, ...parts });
    await this.broker.clock.run();
    const m = this.messages().at(-1)!;
    const isCbor = m.options.some((o) => o.number === OPTION.contentFormat && o.value.length === 2);
    const said = isCbor
      ? [...(decodeCbor(m.payload) as Map<number, Cbor>)]
      : Buffer.from(m.payload).toString();
    return [codeText(m.code), said];
  }

  /** Creates a topic and returns its id. */
  async create(properties: Map<number, Cbor> = TOPIC): Promise<string> {
    this.request('POST /ps', { payload: encodeCbor(properties), format: PUBSUB });
    await this.broker.clock.run();
    const m = this.messages().at(-1)!;
    expect(codeText(m.code)).toBe('2.01');
    const place = m.options.filter((o) => o.number === OPTION.locationPath);
    expect(Buffer.from(place[0]!.value).toString()).toBe('ps');
    return Buffer.from(place[1]!.value).toString();
  }
}

async function start(): Promise<{ broker: Broker; c: Client }> {
  const broker = await startBroker();
  return { broker, c: new Client(broker) };
}

describe('topics', () => {
  test('created, listed, found by their properties, read whole and in part', async () => {
    const { c } = await start();
    const id = await c.create(new Map<number, Cbor>([...TOPIC, [4, 'temperature']]));
    const link = `</ps/${id}>;rt="core.ps.conf";ct=606`;
    expect(await c.ask('GET /ps')).toEqual(['2.05', link]);
    expect(await c.ask('GET /ps?rt=core.ps.data')).toEqual([
      '2.05',
      `</ps/data/${id}>;rt="core.ps.data";obs`,
    ]);
    expect(await c.ask('GET /.well-known/core?rt=core.ps.conf')).toEqual(['2.05', link]);
    expect(await c.ask('FETCH /ps', new Map([[4, 'temperature']]))).toEqual(['2.05', link]);
    expect(await c.ask('FETCH /ps', new Map([[4, 'pressure']]))).toEqual(['2.05', '']);
    const all = [
      [0, 'living-room/heat'],
      [1, `ps/data/${id}`],
      [2, 'core.ps.data'],
      [4, 'temperature'],
      [7, 86_400],
    ];
    expect(await c.ask(`GET /ps/${id}`)).toEqual(['2.05', all]);
    expect(await c.ask(`FETCH /ps/${id}`, [1, 'topic-type'])).toEqual(['2.05', [all[1], all[3]]]);
  });

  const REFUSED: readonly [name: string, body: unknown, parts: RequestParts, code: string][] = [
    ['no name', new Map([[2, 'core.ps.data']]), {}, '4.00'],
    ['no resource type', new Map([[0, 'a']]), {}, '4.00'],
    [
      'a name with a wildcard',
      new Map([
        [0, 'a/#'],
        [2, 'core.ps.data'],
      ]),
      {},
      '4.00',
    ],
    ['a name in use', TOPIC, {}, '4.00'],
    ['a property that nobody knows', new Map<number, Cbor>([...TOPIC, [99, 1]]), {}, '4.00'],
    [
      'a property of another type',
      new Map<number, Cbor>([
        [0, 'b'],
        [2, 'core.ps.data'],
        [6, 'many'],
      ]),
      {},
      '4.00',
    ],
    ['another format', TOPIC, { format: 50 }, '4.15'],
    ['no CBOR', undefined, { payload: Uint8Array.of(0xff), format: PUBSUB }, '4.00'],
  ];
  test.each(REFUSED)('refused: %s', async (_name, body, parts, code) => {
    const { c } = await start();
    await c.create();
    expect((await c.ask('POST /ps', body, parts))[0]).toBe(code);
  });

  test('changed: a patch keeps the rest, a replacement does not, and the name never changes', async () => {
    const { c } = await start();
    const id = await c.create(new Map<number, Cbor>([...TOPIC, [4, 'temperature'], [6, 9]]));
    const keys = (answer: [string, unknown]) => [
      answer[0],
      (answer[1] as [number, Cbor][]).map(([key]) => key),
    ];
    expect(keys(await c.ask(`iPATCH /ps/${id}`, new Map([[7, 60]])))).toEqual(['2.04', [0, 1, 2, 4, 6, 7]]);
    expect(keys(await c.ask(`POST /ps/${id}`, new Map([[6, 1]])))).toEqual(['2.04', [0, 1, 2, 6, 7]]);
    expect((await c.ask(`iPATCH /ps/${id}`, new Map([[0, 'other']])))[0]).toBe('4.00');
  });

  test('they outlive the process, and go when they expire', async () => {
    const { broker, c } = await start();
    const at = new Date(broker.clock.now + 60_000).toISOString();
    const id = await c.create(new Map<number, Cbor>([...TOPIC, [5, at]]));
    await c.ask(`PUT /ps/data/${id}`, undefined, { payload: 'x' });
    await broker.crash();
    const later = new Client(broker);
    expect((await later.ask(`GET /ps/${id}`))[0]).toBe('2.05');
    expect(await later.ask(`GET /ps/data/${id}`, undefined, { observe: 0 })).toEqual(['2.05', 'x']);
    await broker.clock.advance(60_001);
    expect(later.heard()).toEqual(['NON 4.04 k']);
    expect((await later.ask(`GET /ps/${id}`))[0]).toBe('4.04');
  });
});

describe('data', () => {
  test('half created until the first publication: 4.04, then 2.01, then 2.04; DELETE goes back', async () => {
    const { c } = await start();
    const id = await c.create();
    const data = `/ps/data/${id}`;
    const steps: readonly [line: string, parts: RequestParts, answer: [string, string]][] = [
      [`GET ${data}`, { observe: 0 }, ['4.04', 'nothing was published yet']],
      [`PUT ${data}`, { payload: '1' }, ['2.01', '']],
      [`PUT ${data}`, { payload: '2' }, ['2.04', '']],
      [`GET ${data}`, {}, ['2.05', '2']],
      [`DELETE ${data}`, {}, ['2.02', '']],
      [`GET ${data}`, {}, ['4.04', 'nothing was published yet']],
      [`PUT ${data}`, { payload: '3' }, ['2.01', '']],
      [`DELETE /ps/${id}`, {}, ['2.02', '']],
      [`PUT ${data}`, { payload: '4' }, ['4.04', 'no such topic']],
      [`GET /t/living-room/heat`, {}, ['4.04', 'no retained message']],
    ];
    for (const [line, parts, answer] of steps)
      expect([line, await c.ask(line, undefined, parts)]).toEqual([line, answer]);
  });

  test('initialize: observed before anything was published', async () => {
    const { c } = await start();
    const id = await c.create(new Map<number, Cbor>([...TOPIC, [8, true]]));
    expect(await c.ask(`GET /ps/data/${id}`, undefined, { observe: 0 })).toEqual(['2.05', '']);
    expect((await c.ask(`DELETE /ps/data/${id}`))[0]).toBe('2.02');
    expect((await c.ask(`GET /ps/data/${id}`))[0]).toBe('4.04');
  });

  test('DELETE of the data: its subscribers hear 4.04, and nothing else', async () => {
    const { broker, c } = await start();
    const id = await c.create();
    await c.ask(`PUT /ps/data/${id}`, undefined, { payload: 'x' });
    const watcher = new Client(broker);
    watcher.request(`GET /ps/data/${id}`, { observe: 0, token: 'w' });
    await broker.clock.run();
    expect(watcher.heard()).toEqual(['ACK 2.05 w observe "x"']);
    await c.ask(`DELETE /ps/data/${id}`);
    expect(watcher.heard()).toEqual(['NON 4.04 w']);
    expect(broker.hub.stats.subscriptions).toBe(1); // that of the collection itself
  });

  test('another format than the topic has is 4.15', async () => {
    const { c } = await start();
    const id = await c.create(new Map<number, Cbor>([...TOPIC, [3, 50]]));
    expect((await c.ask(`PUT /ps/data/${id}`, undefined, { payload: 'x', format: 0 }))[0]).toBe('4.15');
    expect((await c.ask(`PUT /ps/data/${id}`, undefined, { payload: '{}', format: 50 }))[0]).toBe('2.01');
  });

  test('it is the topic of every other protocol', async () => {
    const { broker, c } = await start();
    const id = await c.create();
    const mqtt = new MqttClient(broker, 5);
    await mqtt.connect('m');
    await mqtt.subscribe('living-room/+', { qos: 0 });
    await c.ask(`PUT /ps/data/${id}`, undefined, { payload: 'from coap' });
    const got = (await mqtt.settled()).flatMap((p) =>
      p.type === PUBLISH ? [Buffer.from(p.payload).toString()] : [],
    );
    expect(got).toEqual(['from coap']);
    await c.ask(`GET /ps/data/${id}`, undefined, { observe: 0, token: 'w' });
    mqtt.publish('living-room/heat', Buffer.from('from mqtt'), { qos: 0 });
    await mqtt.settled();
    expect(c.heard()).toEqual(['NON 2.05 w observe "from mqtt"']);
  });

  test('[RFC7641-4.1] beyond max-subscribers the answer has no Observe; lowering it ends the newest', async () => {
    const { broker, c } = await start();
    const id = await c.create(new Map<number, Cbor>([...TOPIC, [6, 2]]));
    await c.ask(`PUT /ps/data/${id}`, undefined, { payload: '1' });
    const watchers = [new Client(broker), new Client(broker), new Client(broker)];
    for (const w of watchers) w.request(`GET /ps/data/${id}`, { observe: 0, token: 'w' });
    await broker.clock.run();
    expect(watchers.map((w) => w.heard())).toEqual([
      ['ACK 2.05 w observe "1"'],
      ['ACK 2.05 w observe "1"'],
      ['ACK 2.05 w "1"'],
    ]);
    await c.ask(`iPATCH /ps/${id}`, new Map([[6, 1]]));
    expect(watchers.map((w) => w.heard())).toEqual([[], ['NON 4.04 w'], []]);
    await c.ask(`DELETE /ps/${id}`);
    expect(watchers[0]!.heard()).toEqual(['NON 4.04 w']);
    expect(broker.hub.stats.subscriptions).toBe(1); // the table's own
  });

  test('observer-check: once in so long a notification is confirmable', async () => {
    const { broker, c } = await start();
    const id = await c.create(new Map<number, Cbor>([...TOPIC, [7, 10]]));
    await c.ask(`PUT /ps/data/${id}`, undefined, { payload: '1' });
    const w = new Client(broker);
    w.request(`GET /ps/data/${id}`, { observe: 0 });
    const types: number[] = [];
    for (let i = 0; i < 6; i++) {
      await broker.clock.advance(4_000);
      c.request('PUT /t/living-room/heat?qos=0', { payload: String(i) });
      await broker.clock.run();
      for (const m of w.messages()) {
        if (m.type === 0) w.send(2, m.id);
        if (m.type !== 2) types.push(m.type);
      }
    }
    expect(types).toEqual([1, 1, 0, 1, 1, 0]);
  });

  test('who may not publish under $ps makes no topics, and sees none whose configuration it may not read', async () => {
    const identity = { principal: 'guest', unrestricted: false, validUntil: Number.POSITIVE_INFINITY };
    const auth: Auth = {
      ...OPEN,
      identify: ({ username }) =>
        Promise.resolve(
          username === 'root' ? { ...identity, principal: 'root', unrestricted: true } : identity,
        ),
      allows: (_who, _client, _action, topic) => !topic.startsWith('$'),
    };
    const broker = await startBroker({ auth });
    const guest = new Client(broker);
    expect((await guest.ask('POST /ps', TOPIC))[0]).toBe('4.03');
    const root = new Client(broker);
    await root.ask('GET /ps?u=root');
    const id = await root.create();
    expect(await guest.ask('GET /ps')).toEqual(['2.05', '']);
    expect((await guest.ask(`GET /ps/${id}`))[0]).toBe('4.03');
    expect((await guest.ask(`PUT /ps/data/${id}`, undefined, { payload: '1' }))[0]).toBe('2.01');
  });
});
