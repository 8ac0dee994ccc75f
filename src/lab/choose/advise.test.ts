// The advice: rules that exclude, figures that rank, answers that are turned; every rule has a source and means something.

import { beforeAll, describe, expect, test } from 'vitest';
import type { Cell } from '../result.ts';
import { headOf, jobsOf, runJob } from '../run.ts';
import { VARIANTS } from '../variant.ts';
import { planOf, type WorkloadInput } from '../workload.ts';
import type { Advice, Answers, Ranked } from './advice.ts';
import { advise } from './advise.ts';
import { codeFor } from './code.ts';
import { type Evidence, evidenceOf, Measured } from './measured.ts';
import { answersOf, QUESTIONS } from './questions.ts';
import { RULES, type Rule, selects } from './rules.ts';
import { HARDER, type Need, needsOf, scenarioOf, turned } from './scenario.ts';
import { exclusions, rank, weightsOf } from './score.ts';

const VERSION = 'test';
const OWN: WorkloadInput = { messages: 20, idleMinutes: 10 };
const measured = new Measured(VERSION);
const COMMON = answersOf({ network: 'lan' });
const ORDERS = { ...COMMON, model: 'commands', nat: 'no' };
const EVERY = VARIANTS.filter((v) => v.retains !== true).map((v) => v.id);
const SOME = ['mqttsn-qos1-dtls', 'coap-con-dtls', 'coap-tcp-tls', 'mqtt311-qos1-tls', 'mqtt5-qos1-tls'];
/** What the tests look at, of all that advice would measure. */
const NEEDS: Need[] = [
  { scenario: scenarioOf(COMMON, OWN), variants: EVERY },
  { scenario: scenarioOf(ORDERS, OWN), variants: SOME },
  { scenario: scenarioOf({ ...ORDERS, network: 'lossy-802.15.4' }, OWN), variants: SOME },
  { scenario: scenarioOf(ORDERS, OWN, HARDER[1]), variants: SOME },
];

beforeAll(async () => {
  for (const input of measured.missing(NEEDS)) {
    const plan = planOf(input);
    const cells: Cell[] = [];
    for (const job of jobsOf(plan)) cells.push(await runJob(plan, 'run', job));
    measured.add(headOf(plan, VERSION), cells);
  }
});

/** Where nothing was measured, the common figures stand in. Looked up once for each scenario. */
const known = new Map<string, readonly Cell[]>();
const evidence: Evidence = {
  cells: (scenario) => {
    const key = JSON.stringify([scenario.workload, scenario.network]);
    const cells = known.get(key) ?? measured.cells(scenario);
    known.set(key, cells);
    return cells.length > 0 ? cells : evidence.cells(NEEDS[0]!.scenario);
  },
};
const advised = (said: Record<string, string>): Advice =>
  advise(answersOf({ network: 'lan', ...said }), OWN, evidence);
const first = (said: Record<string, string>): string | undefined => advised(said).ranking[0]?.variant;

describe('what comes first', () => {
  test.each([
    [{ cloud: 'aws' }, /^mqtt(311|5)-qos1-tls$/],
    [{ restful: 'yes', device: 'class1' }, /^coap-con-dtls$/],
    [{ device: 'class1' }, /^(mqttsn-qos1|coap-con)-dtls$/],
    [{ browser: 'yes' }, /-wss$|^ws-/],
    [{ nat: 'web-only', restful: 'yes' }, /^(coap-wss|http-tls)$/],
    [{ delivery: 'exactly-once' }, /qos2/],
    [{ security: 'no', delivery: 'best-effort' }, /^(mqttsn-qos-1|mqttsn-qos0)$/],
  ] as [Record<string, string>, RegExp][])('%o', (said, expected) => {
    expect(first(said)).toMatch(expected);
  });

  test('on AWS nothing with QoS 2, and the reason with its source', () => {
    const { excluded, ranking } = advised({ cloud: 'aws' });
    const out = excluded.find((e) => e.variant === 'mqtt5-qos2-tls')!;
    expect(out.reasons).toContainEqual(
      expect.objectContaining({ rule: 'aws-qos2', source: expect.stringContaining('AWS') as unknown }),
    );
    expect(ranking.some((r) => r.variant.includes('qos2'))).toBe(false);
  });

  test('on Azure AMQP, MQTT or HTTP', () => {
    for (const r of advised({ cloud: 'azure' }).ranking)
      expect(r.variant).toMatch(/^(mqtt(311|5)|amqp1|http)/);
  });

  test('nothing fits: nothing is advised', () => {
    const advice = advised({ cloud: 'aws', delivery: 'exactly-once' });
    expect([advice.ranking, advice.start]).toEqual([[], undefined]);
    expect(advice.turns.length).toBeGreaterThan(0);
  });
});

describe('what would change the answer', () => {
  test('does, with what decides', () => {
    const { turns, unmoved, ranking } = advised({});
    expect(turns.length).toBeGreaterThan(0);
    const moved = new Set(turns.map((t) => t.question));
    expect([...moved, ...unmoved].sort()).toEqual(QUESTIONS.map((q) => q.id).sort());
    for (const t of turns) {
      expect(t.first).not.toBe(ranking[0]!.variant);
      expect(t.because.length).toBeGreaterThan(5);
      if (t.answer.startsWith('with ')) continue;
      expect([t.answer, first({ [t.question]: t.answer })]).toEqual([
        t.answer,
        t.first === 'none' ? undefined : t.first,
      ]);
    }
  });

  test('each is measured as the answers say: direction, keep-alives, NAT and the network itself', () => {
    const scenario = (said: Record<string, string>) => scenarioOf(answersOf({ network: 'lan', ...said }), {});
    expect(scenario({ model: 'commands' }).workload.direction).toBe('down');
    expect(scenario({ power: 'battery' }).workload.keepAliveSeconds).toBe(900);
    expect(scenario({ power: 'battery', model: 'commands' }).workload.keepAliveSeconds).toBeUndefined();
    expect(scenario({}).network).toMatchObject({ from: 'lan', natUdpMs: 120_000 });
    expect(scenario({ nat: 'no' }).network).toBe('lan');
    expect(scenario({ network: 'nb-iot', nat: 'no' }).network).toMatchObject({ from: 'nb-iot', natUdpMs: 0 });
    expect(scenario({ network: 'nb-iot' }).network).toBe('nb-iot');
    expect(scenarioOf(COMMON, {}, HARDER[0]).network).toMatchObject({ from: 'lan', loss: 0.05 });
  });

  test('the network turns it by its figures alone: loss makes MQTT-SN wait 10 s where TCP waits 0.2', () => {
    const { turns, ranking } = advise(ORDERS, OWN, evidence);
    expect(ranking[0]!.variant).toBe('mqttsn-qos1-dtls');
    for (const answer of ['lossy-802.15.4', 'with 20 % loss']) {
      const turn = turns.find((t) => t.question === 'network' && t.answer === answer);
      // The same rules speak for and against both: what differs is measured, and told.
      expect(turn).toMatchObject({
        because: expect.stringMatching(/^p99 .* against \d{2},\d{3}/) as unknown,
      });
    }
  });

  test('nothing is measured twice, and what is missing of a run alone', () => {
    expect(measured.missing(NEEDS)).toEqual([]);
    const needs = needsOf(ORDERS, OWN);
    const count = (inputs: readonly WorkloadInput[]): number =>
      inputs.reduce((sum, input) => sum + jobsOf(planOf(input)).length, 0);
    const all = needs.reduce((sum, need) => sum + need.variants.length, 0);
    const there = needs.map(({ scenario }) => measured.cells(scenario).length).filter((n) => n > 0);
    expect(there).toEqual([SOME.length, SOME.length, SOME.length]);
    expect(count(measured.missing(needs))).toBe(all - 3 * SOME.length);
    const none = new Measured(VERSION).missing(needs);
    expect(count(none)).toBe(all);
    // Other messages are other figures, and so is another version.
    expect(count(measured.missing(needsOf(ORDERS, { ...OWN, messages: 21 })))).toBe(all);
    const other = new Measured('other');
    other.add(headOf(planOf(none[0]!), VERSION), measured.cells(NEEDS[0]!.scenario));
    expect(other.missing(needs)).toEqual(none);
  });

  test('the figures of one run: its networks by name, and nothing that it did not measure', () => {
    const cells = measured.cells(NEEDS[0]!.scenario);
    const one = evidenceOf(cells.map((c) => ({ ...c, network: 'lan' })));
    const { turns, unmoved, ranking } = advise(COMMON, OWN, one);
    expect(ranking).toEqual(advised({}).ranking);
    expect(turns.some((t) => t.question === 'network')).toBe(false);
    expect(unmoved).not.toContain('network'); // it was not looked at
  });
});

test('the ranking is by score, and scores are figures and points', () => {
  const { ranking } = advised({});
  const scores = ranking.map((r) => r.score);
  expect(scores).toEqual([...scores].sort((a, b) => b - a));
  for (const r of ranking)
    expect(r.score).toBeCloseTo(r.measured + r.reasons.reduce((sum, x) => sum + x.points!, 0), 2);
});

describe('the data', () => {
  test.each(RULES.map((r) => [r.id, r] as const))(
    'rule %s has a source, asks what is asked, and is about something',
    (_id, r) => {
      expect(r.source.length).toBeGreaterThan(10);
      for (const [question, values] of Object.entries(r.when)) {
        const choices = QUESTIONS.find((q) => q.id === question)!.choices.map((c) => c.value);
        for (const value of values) expect(choices).toContain(value);
      }
      expect(VARIANTS.some((v) => selects(r.about, v))).toBe(true);
    },
  );

  test.each(RULES.map((r) => [r.id, r] as const))('rule %s decides somewhere', (_id, r) => {
    const without = RULES.filter((other) => other !== r);
    // What never comes near the first places is left out for its reason all the same: the only one against some variant.
    const alone =
      r.effect === 'excludes' &&
      around(r.when).some((answers) =>
        VARIANTS.some((v) => {
          const against = exclusions(v, answers);
          return against.length === 1 && against[0]!.rule === r.id;
        }),
      );
    const decides =
      alone ||
      around(r.when).some((answers) => {
        const cells = evidence.cells(scenarioOf(answers, OWN));
        return shown(rank(answers, cells)) !== shown(rank(answers, cells, without));
      });
    expect(decides).toBe(true);
  });

  test.each(QUESTIONS.map((q) => q.id))('question %s changes the answer somewhere', (id) => {
    const matters = around({}).some((answers) => {
      const now = rank(answers, evidence.cells(scenarioOf(answers, OWN)))[0]?.variant;
      return turned(answers).some(
        (turn) =>
          turn.question === id &&
          rank(turn.answers, evidence.cells(scenarioOf(turn.answers, OWN)))[0]?.variant !== now,
      );
    });
    expect(matters).toBe(true);
  });

  test('weights sum to one, whatever is answered', () => {
    for (const power of ['mains', 'battery'])
      for (const model of ['telemetry', 'commands', 'requests']) {
        const sum = Object.values(weightsOf(answersOf({ power, model }))).reduce(
          (a: number, b: number) => a + b,
          0,
        );
        expect(sum).toBeCloseTo(1, 10);
      }
  });

  test('every variant has code to start with', () => {
    for (const v of VARIANTS) expect(codeFor(v).javascript).toContain(codeFor(v).url);
  });

  test('answers and questions that there are not', () => {
    expect(() => answersOf({ cloud: 'mine' })).toThrow(
      "'mine' is no answer to 'cloud'; there are none, aws, azure",
    );
    expect(() => answersOf({ colour: 'red' })).toThrow("there is no question 'colour'");
  });
});

/** What a person sees of a ranking. */
function shown(ranking: readonly Ranked[]): string {
  return ranking
    .slice(0, 5)
    .map((r) => r.variant)
    .join();
}

/** The common answers with those of a rule, then with one more turned, then with two. */
function* turnsAround(when: Rule['when']): Generator<Answers> {
  const said = Object.fromEntries(Object.entries(when).map(([question, values]) => [question, values[0]!]));
  const base = { ...COMMON, ...said };
  yield base;
  const free = (answers: Answers) =>
    turned(answers).filter((t) => when[t.question]?.includes(t.answer) !== false);
  for (const turn of free(base)) yield turn.answers;
  for (const turn of free(base)) for (const second of free(turn.answers)) yield second.answers;
}

function around(when: Rule['when']): { some(test: (answers: Answers) => boolean): boolean } {
  return {
    some: (holds) => {
      for (const answers of turnsAround(when)) if (holds(answers)) return true;
      return false;
    },
  };
}
