// The table: a row a figure, a column a broker, and how many times better the first broker is than each other.

import type { Answer, Figure } from '../generator/job.ts';

export interface Row {
  readonly scenario: string;
  readonly title: string;
  /** By broker, in the order of the columns. */
  readonly answers: ReadonlyMap<string, Answer>;
}

/** Three significant digits, thousands and millions shortened. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  if (size >= 1e6) return `${(value / 1e6).toPrecision(3)}M`;
  if (size >= 1e4) return `${(value / 1e3).toPrecision(3)}k`;
  return size >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** Above 1: the base is better. */
export function ratio(base: Figure, other: Figure): number {
  return base.better === 'less' ? other.value / base.value : base.value / other.value;
}

const figuresOf = (answer: Answer | undefined): readonly Figure[] =>
  answer !== undefined && 'figures' in answer ? answer.figures : [];

/** The rows of one scenario as columns of text. */
export function cells(row: Row, brokers: readonly string[]): string[][] {
  const all = brokers.map((name) => figuresOf(row.answers.get(name)));
  const some = all.find((figures) => figures.length > 0) ?? [];
  const failed = (name: string) => 'error' in (row.answers.get(name) ?? {});
  if (some.length === 0) return [[row.scenario, 'all failed', ...brokers.map(() => 'ERROR')]];
  return some.map((figure, i) => {
    const values = brokers.map((name, b) => {
      const value = all[b]![i]?.value;
      return value === undefined ? (failed(name) ? 'ERROR' : '-') : short(value);
    });
    const base = all[0]![i];
    const ratios = brokers.slice(1).map((_, b) => {
      const other = all[b + 1]![i];
      if (base === undefined || other === undefined || figure.better === 'neither') return '';
      return `${short(ratio(base, other))}x`;
    });
    return [i === 0 ? row.scenario : '', `${figure.name}, ${figure.unit}`, ...values, ...ratios];
  });
}

/** Columns as wide as their widest cell; numbers to the right. */
export function table(rows: readonly Row[], brokers: readonly string[]): string {
  const [base, ...others] = brokers;
  const heads = ['scenario', 'figure', ...brokers, ...others.map((name) => `${base} vs ${name}`)];
  const lines = [heads, ...rows.flatMap((row) => cells(row, brokers))];
  const widths = heads.map((_, c) => Math.max(...lines.map((line) => (line[c] ?? '').length)));
  const print = (line: readonly string[]) =>
    widths
      .map((width, c) => (c < 2 ? (line[c] ?? '').padEnd(width) : (line[c] ?? '').padStart(width)))
      .join('  ');
  return [
    print(heads),
    widths.map((width) => '-'.repeat(width)).join('  '),
    ...lines.slice(1).map(print),
  ].join('\n');
}

/** The median of each figure over the rounds; the first error, if there was one: a check that fails once has failed. */
export function median(answers: readonly Answer[]): Answer {
  const failed = answers.find((answer) => 'error' in answer);
  if (failed !== undefined) return failed;
  const rounds = answers.map(figuresOf);
  const figures = rounds[0]!.map((figure, i) => {
    const values = rounds.map((round) => round[i]!.value).sort((a, b) => a - b);
    const middle = values.length >> 1;
    const value = values.length % 2 === 1 ? values[middle]! : (values[middle - 1]! + values[middle]!) / 2;
    return { ...figure, value };
  });
  return { figures };
}
