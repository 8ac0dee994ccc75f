// What the form makes is what the lab takes: the same workload, counted the same way.

import { expect, test } from 'vitest';
import { jobsOf } from '../../../src/lab/run.ts';
import { planOf } from '../../../src/lab/workload.ts';
import { Lab } from '../../../src/server/lab/lab.ts';
import { MemoryShelf } from '../../../src/server/lab/shelf.ts';
import { type Draft, firstDraft, fits, likeNetwork, sizeOf, toggled, workloadOf } from './draft.ts';
import type { Catalogue } from './runs.ts';

const lab = new Lab({ version: '1', shelf: new MemoryShelf(), evidence: new MemoryShelf() });
const catalogue = (await lab.catalogue()) as Catalogue;
const first = firstDraft(catalogue);
const own = { wanted: true, ...likeNetwork(catalogue, 'lossy-802.15.4'), loss: 12.5, delayMs: 40 };

const DRAFTS: readonly (readonly [what: string, change: Partial<Draft>])[] = [
  ['as it opens', {}],
  ['with a network of its own', { own }],
  ['over a network of its own alone', { networks: new Set(), own }],
  ['with one guarantee and security', { qos: '1', security: 'some', variants: all() }],
  ['with sweeps', { sweeps: new Set(['loss', 'rate']) }],
  ['with an outage, of devices that sleep', { outageSeconds: 30, reconnectEvery: 1, resume: false }],
  ['to many', { direction: 'down', fanOut: 3, devices: 2, retained: true, shape: 'json' }],
  ['of all variants on all networks', { variants: all(), networks: everywhere(), messages: 1 }],
];

function all(): Set<string> {
  return new Set(catalogue.variants.map((v) => v.id));
}

function everywhere(): Set<string> {
  return new Set(catalogue.networks.map((n) => n.name));
}

test.each(DRAFTS)('a draft %s', (_what, change) => {
  const draft = { ...first, ...change };
  const plan = planOf(workloadOf(draft, catalogue));
  const size = sizeOf(draft, catalogue);
  expect(size.wrong).toBeUndefined();
  expect(plan.variants).toHaveLength(size.variants);
  expect(plan.networks).toHaveLength(size.networks);
  expect(jobsOf(plan)).toHaveLength(size.cells);
});

test('the network of its own is what was written', () => {
  const { networks } = planOf(workloadOf({ ...first, networks: new Set(), own }, catalogue));
  expect(networks).toMatchObject([{ name: 'own', medium: '802.15.4', loss: 0.125, delayMs: 40, ip: 6 }]);
});

test.each([
  [{ variants: new Set<string>() }, 'Choose a variant'],
  [{ networks: new Set<string>() }, 'Choose a network'],
  [{ messages: 100_000 }, 'Ask for fewer: 1200000 messages are more than 100000'],
  [{ variants: all(), networks: everywhere(), sweeps: new Set(['loss']) }, 'cells'],
])('what cannot be is said before it is asked', (change, sentence) => {
  expect(sizeOf({ ...first, ...change }, catalogue).wrong).toContain(sentence);
});

test('variants that do not fit are told from those that do', () => {
  const draft: Draft = { ...first, qos: '2', security: 'none' };
  expect(catalogue.variants.filter((v) => fits(v, draft)).map((v) => v.id)).toEqual(
    expect.arrayContaining(['mqtt5-qos2', 'amqp1-qos2']),
  );
  expect([...toggled(toggled(new Set(['a']), 'b', true), 'a', false)]).toEqual(['b']);
});
