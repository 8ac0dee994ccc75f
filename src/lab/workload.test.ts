// Mistakes in a workload: each is told in a sentence that names it and the remedy.

import { expect, test } from 'vitest';
import { indexOf, payloadOf, type Shape } from './payload.ts';
import { planOf, readWorkload, WorkloadError, type WorkloadInput } from './workload.ts';

test('what is left out has its default', () => {
  const plan = planOf({});
  expect(plan.workload).toMatchObject({ messages: 1_000, payload: { bytes: 20, shape: 'text' }, seed: 1 });
  expect(plan.variants).toHaveLength(12);
  expect(plan.networks.map((n) => n.name)).toEqual(['lan', 'wifi', 'lte-m', 'nb-iot']);
});

test.each([
  ['an unknown key', { mesages: 1 }, "a workload has no 'mesages'; known are messages, devices"],
  ['one further down', { payload: { size: 1 } }, "'payload' has no 'size'; known are bytes, shape"],
  ['in a network', { networks: [{ from: 'lan', name: 'x', los: 1 }] }, "has no 'los'; known are"],
  ['a wrong type', { messages: 'many' }, "'messages' is to be of type number"],
  ['too small', { payload: { bytes: 2 } }, "'payload.bytes' is 8 at least"],
  ['too large', { networks: [{ from: 'lan', name: 'x', loss: 2 }] }, "'networks.0.loss' is 0.9 at most"],
  ['a level that there is not', { qos: 3 }, "'qos' is 0, 1, 2 or any"],
  ['none of the words', { payload: { shape: 'xml' } }, "'payload.shape' is one of binary, text, json"],
  ['an unknown variant', { variants: ['mqtt'] }, "there is no variant 'mqtt'; 'waymeet lab list' shows"],
  ['an unknown network', { networks: ['mars'] }, "there is no network 'mars'; known are lan"],
  ['a network of every object', { networks: ['constructor'] }, "there is no network 'constructor'"],
  [
    'one from every object',
    { networks: [{ from: 'toString', name: 'x' }] },
    "from 'toString', which is none",
  ],
  [
    'a network without a name',
    { networks: [{ from: 'lan', name: '' }] },
    "'networks.0.name' is 1 characters long at least",
  ],
  [
    'a radio of every object',
    { networks: [{ from: 'lan', name: 'x', radio: 'valueOf' }] },
    "radio 'valueOf'",
  ],
  ['a network from nothing', { networks: [{ from: 'mars', name: 'x' }] }, "made from 'mars', which is none"],
  [
    'an unknown radio',
    { networks: [{ from: 'lan', name: 'x', radio: 'y' }] },
    "has radio 'y', which is none",
  ],
  ['802.15.4 over IPv4', { networks: [{ from: 'lossy-802.15.4', name: 'x', ip: 4 }] }, "set 'ip: 6'"],
  ['the same network twice', { networks: ['lan', 'lan'] }, "network 'lan' is there twice"],
  ['nothing left', { variants: ['coap-non'], qos: 2 }, 'none of the 1 variants has qos 2'],
  ['more devices than messages', { devices: 10, messages: 5 }, "set 'messages' to 10 or more"],
  ['a wildcard', { topic: 'a/+' }, 'has a wildcard'],
  ['JSON in too little', { payload: { bytes: 10, shape: 'json' } }, "set 'payload.bytes' to 14 or more"],
  ['more than a year', { rate: 0.00001 }, 'take more than a year'],
  [
    'an outage after the end',
    { messages: 10, rate: 1, outage: { after: 60, seconds: 1 } },
    "set 'outage.after' lower",
  ],
  ['an outage of a flood', { rate: 0, outage: { after: 1, seconds: 1 } }, "set 'rate' above 0"],
  ['listeners that sleep', { direction: 'down', reconnectEvery: 1 }, "set 'direction' to up or both"],
] as [string, object, string][])('%s', (_name, input, sentence) => {
  expect(() => planOf(input as WorkloadInput)).toThrow(WorkloadError);
  expect(() => planOf(input as WorkloadInput)).toThrow(sentence);
});

test('YAML', () => {
  expect(readWorkload('messages: 5\npayload: {bytes: 30}\n', 'w.yaml')).toEqual({
    messages: 5,
    payload: { bytes: 30 },
  });
  expect(() => readWorkload('a: [', 'w.yaml')).toThrow('w.yaml is no YAML');
  expect(() => readWorkload('[]', 'w.yaml')).toThrow('w.yaml must be a mapping');
});

test.each<[Shape, number]>([
  ['binary', 8],
  ['binary', 300],
  ['text', 8],
  ['text', 40],
  ['json', 14],
  ['json', 20],
  ['json', 64],
])('a payload of %s with %i octets tells its number', (shape, bytes) => {
  for (const index of [0, 1, 255, 99_999]) {
    const payload = payloadOf(index, bytes, shape);
    expect([payload.length, indexOf(payload, shape)]).toEqual([bytes, index]);
    if (shape === 'json') expect(JSON.parse(Buffer.from(payload).toString())).toBeTypeOf('object');
  }
});
