// PATCH, iPATCH and FETCH of topics (RFC 8132): merge patches, JSON patches, and selections.

import { describe, expect, test } from 'vitest';
import { CoapTestClient as Client, type RequestParts } from '../../../test/coap-client.ts';
import { type Broker, OPEN, startBroker } from '../../../test/network.ts';
import { decodeCbor } from '../../bytes/cbor.ts';
import type { Auth } from '../../contract/auth.ts';
import { NEVER } from '../../contract/message.ts';
import { encodeUint } from './encode.ts';
import { type Json, jsonPatch, mergePatch, PatchError, parseJson } from './json-patch.ts';
import { OPTION } from './packet.ts';
import { coap } from './protocol.ts';

const MERGE = 52;
const PATCH = 51;

async function start(auth = OPEN): Promise<{ broker: Broker; ask: Ask }> {
  const broker = await startBroker({ protocols: [coap()], auth });
  const c = new Client(broker);
  return {
    broker,
    ask: async (request, parts = {}) => {
      c.request(request, parts);
      await broker.clock.run();
      const [answer = 'nothing', ...more] = heardOf(c);
      expect(more).toEqual([]);
      return answer;
    },
  };
}

/** What is heard, payloads without the quotes of JSON. */
function heardOf(c: Client): string[] {
  return c.heard().map((line) => {
    const quoted = /"(?:[^"\\]|\\.)*"$/s.exec(line)?.[0];
    return quoted === undefined ? line : line.slice(0, -quoted.length) + (JSON.parse(quoted) as string);
  });
}

/** May publish, and not subscribe. */
const DEAF: Auth = {
  identify: () => Promise.resolve({ principal: 'deaf', unrestricted: false, validUntil: NEVER }),
  exchange: () => undefined,
  allows: (_identity, action) => action === 'publish',
  epoch: 0,
};

type Ask = (request: string, parts?: RequestParts) => Promise<string>;

describe('[RFC7396-A] merge patches', () => {
  const CASES: readonly [target: string, patch: string, result: string][] = [
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', '{}'],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['["a","b"]', '["c","d"]', '["c","d"]'],
    ['{"a":"b"}', '["c"]', '["c"]'],
    ['{"a":"foo"}', 'null', 'null'],
    ['{"a":"foo"}', '"bar"', '"bar"'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
    ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
    ['{}', '{"__proto__":{"x":1}}', '{"__proto__":{"x":1}}'],
  ];
  test.each(CASES)('%s and %s', (target, patch, result) => {
    expect(JSON.stringify(mergePatch(parseJson(target), parseJson(patch)!))).toBe(result);
  });
});

describe('[RFC6902-A] JSON patches', () => {
  const CASES: readonly [target: string, patch: string, result: string][] = [
    ['{"foo":"bar"}', '[{"op":"add","path":"/baz","value":"qux"}]', '{"foo":"bar","baz":"qux"}'],
    ['{"foo":["bar","baz"]}', '[{"op":"add","path":"/foo/1","value":"qux"}]', '{"foo":["bar","qux","baz"]}'],
    ['{"baz":"qux","foo":"bar"}', '[{"op":"remove","path":"/baz"}]', '{"foo":"bar"}'],
    ['{"foo":["bar","qux","baz"]}', '[{"op":"remove","path":"/foo/1"}]', '{"foo":["bar","baz"]}'],
    ['{"baz":"qux"}', '[{"op":"replace","path":"/baz","value":"boo"}]', '{"baz":"boo"}'],
    [
      '{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}',
      '[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]',
      '{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}',
    ],
    ['{"foo":["a","b","c"]}', '[{"op":"move","from":"/foo/0","path":"/foo/2"}]', '{"foo":["b","c","a"]}'],
    ['{"a":{"b":1}}', '[{"op":"copy","from":"/a","path":"/c"}]', '{"a":{"b":1},"c":{"b":1}}'],
    ['{"a":[1,{"b":2}]}', '[{"op":"test","path":"/a/1","value":{"b":2}}]', '{"a":[1,{"b":2}]}'],
    ['{"foo":["bar"]}', '[{"op":"add","path":"/foo/-","value":["abc"]}]', '{"foo":["bar",["abc"]]}'],
    ['{"/":9,"~1":10}', '[{"op":"test","path":"/~01","value":10}]', '{"/":9,"~1":10}'],
    ['{"a":1}', '[{"op":"add","path":"","value":[2]}]', '[2]'],
    ['{"a":1}', '[{"op":"replace","path":"","value":null}]', 'null'],
    ['{"a":1}', '[{"op":"add","path":"/x","value":2,"more":true}]', '{"a":1,"x":2}'],
    ['{"a":1}', '[{"op":"add","path":"/__proto__","value":2}]', '{"a":1,"__proto__":2}'],
    ['{"a":1}', '[]', '{"a":1}'],
  ];
  test.each(CASES)('%s by %s', (target, patch, result) => {
    const before = parseJson(target)!;
    expect(JSON.stringify(jsonPatch(before, parseJson(patch)!, 1_000))).toBe(result);
    expect(JSON.stringify(before)).toBe(JSON.stringify(JSON.parse(target)));
  });

  const REFUSED: readonly [kind: PatchError['kind'], target: string, patch: string][] = [
    ['malformed', '{}', '{}'],
    ['malformed', '{}', '[1]'],
    ['malformed', '{}', '[{"op":"spam","path":""}]'],
    ['malformed', '{}', '[{"op":"add","path":"/a"}]'],
    ['malformed', '{}', '[{"op":"add","path":"a","value":1}]'],
    ['malformed', '{}', '[{"op":"add","path":"/~2","value":1}]'],
    ['malformed', '{}', '[{"op":"copy","path":"/a"}]'],
    ['conflict', '{"a":1}', '[{"op":"test","path":"/a","value":"1"}]'],
    ['conflict', '{"a":[1]}', '[{"op":"test","path":"/a","value":[1,2]}]'],
    ['conflict', '{"a":1}', '[{"op":"test","path":"/toString","value":1}]'],
    ['conflict', '{"a":1}', '[{"op":"remove","path":"/b"}]'],
    ['conflict', '{"a":1}', '[{"op":"replace","path":"/b","value":1}]'],
    ['conflict', '{"a":1}', '[{"op":"add","path":"/b/c","value":1}]'],
    ['conflict', '{"a":1}', '[{"op":"add","path":"/a/c","value":1}]'],
    ['conflict', '{"a":[1]}', '[{"op":"add","path":"/a/2","value":1}]'],
    ['conflict', '{"a":[1]}', '[{"op":"add","path":"/a/x","value":1}]'],
    ['conflict', '{"a":[1]}', '[{"op":"replace","path":"/a/01","value":1}]'],
    ['conflict', '{"a":[1]}', '[{"op":"remove","path":"/a/-"}]'],
    ['conflict', '{"a":1}', '[{"op":"move","from":"/b","path":"/c"}]'],
    ['unprocessable', '{"a":{"b":1}}', '[{"op":"move","from":"/a","path":"/a/b"}]'],
    ['unprocessable', '{"a":1}', '[{"op":"remove","path":""}]'],
    [
      'too-large',
      '{}',
      `[${'{"op":"test","path":"","value":{}},'.repeat(128)}{"op":"test","path":"","value":{}}]`,
    ],
    [
      'too-large',
      '{"a":[1,2,3]}',
      `[${Array.from({ length: 20 }, (_, i) => `{"op":"copy","from":"","path":"/${i}"}`)}]`,
    ],
  ];
  test.each(REFUSED)('%s: %s by %s', (kind, target, patch) => {
    let thrown: unknown;
    try {
      jsonPatch(parseJson(target)!, parseJson(patch)!, 1_000);
    } catch (why) {
      thrown = why;
    }
    expect(thrown).toBeInstanceOf(PatchError);
    expect((thrown as PatchError).kind).toBe(kind);
  });

  test('what is nested too deep is no JSON', () => {
    expect(parseJson('['.repeat(64) + ']'.repeat(64))).toBeDefined();
    expect(parseJson('['.repeat(65) + ']'.repeat(65))).toBeUndefined();
    expect(parseJson(`"${'['.repeat(100)}"`)).toBe('['.repeat(100));
  });
});

describe('PATCH and iPATCH', () => {
  test('change the last value, and its observers hear of it', async () => {
    const { broker, ask } = await start();
    const watching = new Client(broker, {}, '127.0.0.1:50002');
    expect(await ask('iPATCH /t/a', { payload: '{"heat":21,"unit":"C"}', format: MERGE })).toBe('ACK 2.01 k');
    watching.request('GET /t/a', { observe: 0 });
    await broker.clock.run();
    expect(heardOf(watching)).toEqual(['ACK 2.05 k observe ct=50 {"heat":21,"unit":"C"}']);
    expect(
      await ask('PATCH /t/a', { payload: '[{"op":"add","path":"/on","value":true}]', format: PATCH }),
    ).toBe('ACK 2.04 k');
    await broker.clock.run();
    expect(heardOf(watching)).toEqual(['CON 2.05 k observe ct=50 {"heat":21,"unit":"C","on":true}']);
    expect(await ask('iPATCH /t/a?qos=0', { payload: '{"heat":null}', format: MERGE })).toBe('ACK 2.04 k');
    expect(await ask('GET /t/a')).toBe('ACK 2.05 k ct=50 {"unit":"C","on":true}');
  });

  test('what a value was said to be, and how long, stays', async () => {
    const { broker, ask } = await start();
    await ask('PUT /t/a?retain=1&expiry=60', { payload: '{"n":1}', format: 110 });
    await broker.clock.advance(20_000);
    await ask('PATCH /t/a', { payload: '{"n":2}', format: MERGE });
    expect(await ask('GET /t/a')).toBe('ACK 2.05 k ct=110 age=40 {"n":2}');
    await ask('PATCH /t/a?expiry=90', { payload: '{"n":3}', format: MERGE });
    expect(await ask('GET /t/a')).toBe('ACK 2.05 k ct=110 age=90 {"n":3}');
  });

  const IF_MATCH = { number: OPTION.ifMatch, value: Uint8Array.of(1) };
  const IF_NONE = { number: OPTION.ifNoneMatch, value: new Uint8Array() };
  const REFUSED: readonly [before: string, request: string, parts: RequestParts, answer: string][] = [
    ['{}', 'PATCH /t/a', { payload: '{}' }, '4.15'],
    ['{}', 'PATCH /t/a', { payload: '{}', format: 50 }, '4.15'],
    ['{}', 'PATCH /t/a', { payload: '{', format: MERGE }, '4.00'],
    ['{}', 'iPATCH /t/a', { payload: '{}', format: PATCH }, '4.00'],
    ['21.5 C', 'PATCH /t/a', { payload: '{}', format: MERGE }, '4.09'],
    ['{}', 'PATCH /t/a', { payload: '[{"op":"remove","path":"/x"}]', format: PATCH }, '4.09'],
    ['{}', 'PATCH /t/a', { payload: '[{"op":"remove","path":""}]', format: PATCH }, '4.22'],
    ['', 'PATCH /t/a', { payload: '[]', format: PATCH }, '4.04'],
    ['{}', 'PATCH /t/a', { payload: '{}', format: MERGE, extra: [IF_MATCH] }, '4.12'],
    ['{}', 'iPATCH /t/a', { payload: '{}', format: MERGE, extra: [IF_NONE] }, '4.12'],
    ['{}', 'PATCH /t/+', { payload: '{}', format: MERGE }, '4.00'],
    ['{}', 'PATCH /t', { payload: '{}', format: MERGE }, '4.04'],
  ];
  test.each(REFUSED)('[RFC8132-3.4] of %s: %s %j is refused', async (before, request, parts, code) => {
    const { ask } = await start();
    if (before !== '') await ask('PUT /t/a?retain=1', { payload: before });
    expect(await ask(request, parts)).toContain(` ${code} `);
    if (before !== '') expect(await ask('GET /t/a')).toContain(` ${before}`);
  });

  test('a value that one may not read is not replaced unknowing', async () => {
    const { ask } = await start(DEAF);
    expect(await ask('iPATCH /t/a', { payload: '{}', format: MERGE })).toContain('4.03');
  });
});

describe('FETCH', () => {
  async function values() {
    const started = await start();
    for (const [topic, payload] of Object.entries({
      'r/1/heat': '21',
      'r/2/heat': '22',
      'r/1/lamp': 'on',
      hall: 'x',
    }))
      await started.ask(`PUT /t/${topic}?retain=1`, { payload, format: 0 });
    return started;
  }
  const heard = (answer: string) =>
    (JSON.parse(/ct=50 (.*)$/s.exec(answer)![1]!) as { topic: string; payload: string }[]).map(
      ({ topic, payload }) => `${topic}=${payload}`,
    );

  test('the last values of all topics that some filters match, each once', async () => {
    const { broker, ask } = await values();
    const answer = await ask('FETCH /t', { payload: '["r/+/heat","r/1/#","none"]', format: 50 });
    expect(heard(answer)).toEqual(['r/1/heat=21', 'r/2/heat=22', 'r/1/lamp=on']);
    expect(heard(await ask('FETCH /t/r/1', { payload: '["#"]' }))).toEqual(['r/1/heat=21', 'r/1/lamp=on']);
    expect(heard(await ask('FETCH /t', { payload: '["none"]' }))).toEqual([]);
    expect(broker.hub.stats.subscriptions).toBe(0);
  });

  test('CBOR, as asked or as accepted', async () => {
    const { broker } = await values();
    const c = new Client(broker, {}, '127.0.0.1:50003');
    const accept = { number: OPTION.accept, value: encodeUint(60) };
    const body = Buffer.concat([Uint8Array.of(0x81, 0x64), Buffer.from('hall')]);
    c.request('FETCH /t', { payload: body, format: 60 });
    c.request('FETCH /t', { payload: '["hall"]', format: 50, extra: [accept] });
    await broker.clock.run();
    for (const m of c.messages()) {
      const list = decodeCbor(m.payload) as Map<string, Json>[];
      expect(list.map((one) => [one.get('topic'), one.get('payload')])).toEqual([['hall', 'x']]);
    }
  });

  test('large selections come in blocks', async () => {
    const { broker, ask } = await start();
    for (let i = 0; i < 40; i++) await ask(`PUT /t/n/${i}?retain=1`, { payload: `${i}`, format: 0 });
    const c = new Client(broker, {}, '127.0.0.1:50003');
    let text = '';
    for (let num = 0, more = true; more; num++) {
      const extra = num === 0 ? [] : [Client.block(OPTION.block2, num, false, 6)];
      c.request('FETCH /t', { payload: '["n/#"]', format: 50, extra });
      await broker.clock.run();
      const [m] = c.messages();
      text += Buffer.from(m!.payload);
      const block = m!.options.find((o) => o.number === OPTION.block2)!.value;
      more = (block.at(-1)! & 8) !== 0;
    }
    expect((JSON.parse(text) as unknown[]).length).toBe(40);
  });

  test.each<[request: string, parts: RequestParts, code: string]>([
    ['FETCH /t', { payload: '["a/#/b"]' }, '4.00'],
    ['FETCH /t', { payload: '["$share/g/a"]' }, '4.00'],
    ['FETCH /t', { payload: '[]' }, '4.00'],
    ['FETCH /t', { payload: '[1]' }, '4.00'],
    ['FETCH /t', { payload: 'a' }, '4.00'],
    ['FETCH /t', {}, '4.00'],
    ['FETCH /t', { payload: '["a"]', format: 60 }, '4.00'],
    ['FETCH /t', { payload: '["a"]', format: 0 }, '4.15'],
    ['FETCH /t', { payload: '["a"]', extra: [{ number: OPTION.accept, value: encodeUint(0) }] }, '4.06'],
  ])('%s %j is refused', async (request, parts, code) => {
    const { ask } = await values();
    expect(await ask(request, parts)).toContain(` ${code} `);
  });

  test('who may not subscribe is refused; more than an answer holds is too large', async () => {
    const { ask } = await start(DEAF);
    expect(await ask('FETCH /t', { payload: '["a"]' })).toContain('4.03');
    const many = await start();
    const c = new Client(many.broker, {}, '127.0.0.1:50003');
    for (let i = 0; i < 1_001; i++) c.request(`PUT /t/n/${i}?retain=1`, { payload: 'x' });
    await many.broker.clock.run();
    expect(await many.ask('FETCH /t', { payload: '["n/+"]' })).toContain('4.13');
  });
});
