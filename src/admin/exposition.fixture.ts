// A strict reader of the Prometheus text format 0.0.4, for tests: what promtool would complain about throws.

export interface Family {
  readonly kind: string;
  /** By sample name and labels as they are written. */
  readonly samples: Map<string, number>;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)\\})? (\\S+)$`);
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?)|[+-]Inf|NaN)$/;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  histogram: ['_bucket', '_sum', '_count'],
  counter: [''],
  gauge: [''],
};

/** The metrics of a page by name. Throws an Error that quotes the first faulty line. */
export function parseExposition(page: string): Map<string, Family> {
  if (!page.endsWith('\n') || page.endsWith('\n\n')) throw new Error('the page must end with one line feed');
  const families = new Map<string, Family>();
  let current: string | undefined;
  let helped: string | undefined;
  for (const line of page.slice(0, -1).split('\n')) {
    const fault = (why: string) => new Error(`${why}: ${line}`);
    const help = new RegExp(`^# HELP (${NAME}) [^\\n]+$`).exec(line);
    const type = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram)$`).exec(line);
    if (help !== null) {
      if (families.has(help[1]!)) throw fault('a metric comes twice');
      helped = help[1];
    } else if (type !== null) {
      current = type[1]!;
      if (helped !== current) throw fault('a type without its help');
      if ((type[2] === 'counter') !== current.endsWith('_total'))
        throw fault('counters, and only they, end in _total');
      families.set(current, { kind: type[2]!, samples: new Map() });
    } else {
      const sample = SAMPLE.exec(line);
      if (sample === null) throw fault('neither comment nor sample');
      const [, name, labels = '', value] = sample;
      if (!NUMBER.test(value!)) throw fault('not a number');
      const family = current === undefined ? undefined : families.get(current);
      if (family === undefined || !SUFFIXES[family.kind]!.some((suffix) => name === current + suffix))
        throw fault('a sample without its type');
      const names = [...labels.matchAll(/([a-zA-Z0-9_]+)="/g)].map((found) => found[1]);
      if (new Set(names).size !== names.length) throw fault('a label comes twice');
      const key = `${name}{${labels}}`;
      if (family.samples.has(key)) throw fault('a sample comes twice');
      const number = Number(value!.replace('Inf', 'Infinity'));
      if (family.kind !== 'gauge' && !(number >= 0)) throw fault('a count below zero');
      family.samples.set(key, number);
    }
  }
  for (const [name, { kind, samples }] of families) if (kind === 'histogram') checkHistogram(name, samples);
  return families;
}

function checkHistogram(name: string, samples: ReadonlyMap<string, number>): void {
  let bound = Number.NEGATIVE_INFINITY;
  let below = 0;
  for (const [key, value] of samples) {
    const le = /le="([^"]+)"/.exec(key)?.[1];
    if (le === undefined) continue;
    const next = Number(le.replace('Inf', 'Infinity'));
    if (!(next > bound) || value < below) throw new Error(`${name}: buckets must grow: ${key} ${value}`);
    bound = next;
    below = value;
  }
  if (bound !== Number.POSITIVE_INFINITY) throw new Error(`${name} has no bucket for everything`);
  if (samples.get(`${name}_count{}`) !== below) throw new Error(`${name}: count and last bucket differ`);
  if (!samples.has(`${name}_sum{}`)) throw new Error(`${name} has no sum`);
}
