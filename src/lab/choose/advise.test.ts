// The advice: rules that exclude, figures that rank, answers that are turned; every rule has a source and means something.

import { beforeAll, describe, expect, test } from 'vitest';
import type { Cell } from '../result.ts';
import { jobsOf, runJob } from '../run.ts';
import { VARIANTS } from '../variant.ts';
import { planOf } from '../workload.ts';
import { advise, weightsOf, workloadFor } from './advise.ts';
import { codeFor } from './code.ts';
import { answersOf, QUESTIONS } from './questions.ts';
import { RULES, selects } from './rules.ts';

const cells: Cell[] = [];

beforeAll(async () => {
  const plan = planOf(workloadFor(answersOf({ network: 'wifi' }), { messages: 10, idleMinutes: 10 }));
  for (const job of jobsOf(plan)) cells.push(await runJob(plan, 'test', job));
});

const first = (said: Record<string, string>): string | undefined =>
  advise(answersOf({ network: 'wifi', ...said }), cells, 'test').ranking[0]?.variant;

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
    const { excluded, ranking } = advise(answersOf({ network: 'wifi', cloud: 'aws' }), cells, 'test');
    const out = excluded.find((e) => e.variant === 'mqtt5-qos2-tls')!;
    expect(out.reasons).toContainEqual(
      expect.objectContaining({ rule: 'aws-qos2', source: expect.stringContaining('AWS') as unknown }),
    );
    expect(ranking.some((r) => r.variant.includes('qos2'))).toBe(false);
  });

  test('on Azure AMQP, MQTT or HTTP', () => {
    const { ranking } = advise(answersOf({ network: 'wifi', cloud: 'azure' }), cells, 'test');
    for (const r of ranking) expect(r.variant).toMatch(/^(mqtt(311|5)|amqp1|http)/);
  });

  test('nothing fits: nothing is advised', () => {
    const advice = advise(
      answersOf({ network: 'wifi', cloud: 'aws', delivery: 'exactly-once' }),
      cells,
      'test',
    );
    expect([advice.ranking, advice.start]).toEqual([[], undefined]);
    expect(advice.turns.length).toBeGreaterThan(0);
  });
});

test('the answers that would change it do', () => {
  const answers = answersOf({ network: 'wifi' });
  const { turns, ranking } = advise(answers, cells, 'test');
  expect(turns.length).toBeGreaterThan(0);
  for (const t of turns) {
    expect(first({ [t.question]: t.answer })).toBe(t.first === 'none' ? undefined : t.first);
    expect(t.first).not.toBe(ranking[0]!.variant);
  }
});

test('the ranking is by score, and scores are figures and points', () => {
  const { ranking } = advise(answersOf({ network: 'wifi' }), cells, 'test');
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
      const others = ['amqp', 'stomp', 'xmpp'];
      const about = VARIANTS.filter((v) => selects(r.about, v));
      const awaited =
        r.about.family?.some((f) => others.includes(f)) === true ||
        r.about.id?.some((id) => id.startsWith('amqp')) === true;
      expect(about.length > 0 || awaited).toBe(true);
    },
  );

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
