import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { covers, filterFault, levelsOf, overlap, unshared } from './covers.ts';

describe('covers', () => {
  const rows: [outer: string, inner: string, expected: boolean][] = [
    ['a/b', 'a/b', true],
    ['a/b', 'a/c', false],
    ['a/b', 'a', false],
    ['a', 'a/b', false],
    ['a/+', 'a/b', true],
    ['a/+', 'a/+', true],
    ['a/b', 'a/+', false],
    ['a/+', 'a', false],
    ['a/+', 'a/', true],
    ['a/#', 'a', true],
    ['a/#', 'a/b/c', true],
    ['a/#', 'a/+', true],
    ['a/#', 'a/+/#', true],
    ['a/+/#', 'a/#', false],
    ['a/+', 'a/#', false],
    ['#', '#', true],
    ['#', '+/#', true],
    ['+/#', '#', true],
    ['+', '#', false],
    ['+/+/#', '#', false],
    ['#', 'a/b', true],
    ['#', '$SYS/uptime', false],
    ['#', '$SYS/#', false],
    ['+/uptime', '$SYS/uptime', false],
    ['+/#', '$SYS/#', false],
    ['$SYS/#', '$SYS/uptime', true],
    ['$SYS/#', '$SYS/#', true],
    ['$SYS/#', '#', false],
    ['a/#', 'a/$x', true],
    ['a/+', 'a/$x', true],
    ['+/a', '/a', true],
    ['/+', '/', true],
    ['/+', '+/+', false],
  ];
  for (const [outer, inner, expected] of rows) {
    test(`${outer} ${expected ? 'covers' : 'does not cover'} ${inner}`, () => {
      expect(covers(levelsOf(outer), levelsOf(inner))).toBe(expected);
    });
  }
});

describe('laws, against every topic of up to five levels over a small alphabet', () => {
  // `c` occurs in no filter, so it stands for all other names; five levels are two more than the longest filter has.
  const names = ['', 'a', 'b', 'c', '$s'];
  const topics: string[][] = [];
  for (let level = names.map((n) => [n]); level[0]!.length <= 5; ) {
    topics.push(...level);
    level = level.flatMap((topic) => names.map((n) => [...topic, n]));
  }
  const words = ['', 'a', 'b', '$s', '+'];
  const filters: string[][] = [['#']];
  for (let level = words.map((w) => [w]); level[0]!.length <= 3; ) {
    filters.push(...level, ...level.map((f) => [...f, '#']));
    level = level.flatMap((f) => words.map((w) => [...f, w]));
  }

  /** Section 4.7 of the standard, as it says it. */
  function matches(filter: string[], topic: string[]): boolean {
    if ((filter[0] === '+' || filter[0] === '#') && topic[0]!.startsWith('$')) return false;
    if (filter.at(-1) === '#') {
      const head = filter.slice(0, -1);
      return topic.length >= head.length && head.every((f, i) => f === '+' || f === topic[i]);
    }
    return topic.length === filter.length && filter.every((f, i) => f === '+' || f === topic[i]);
  }

  const matched = new Map<string[], Set<number>>();
  function topicsOf(filter: string[]): Set<number> {
    let set = matched.get(filter);
    if (set === undefined) {
      set = new Set(topics.flatMap((topic, i) => (matches(filter, topic) ? [i] : [])));
      matched.set(filter, set);
    }
    return set;
  }

  // A lone empty level is no topic and no filter, but harmless: both sides treat it as a name.
  const filter = fc.constantFrom(...filters);

  test('covers(outer, inner) exactly when the topics of inner are among those of outer', () => {
    let yes = 0;
    fc.assert(
      fc.property(filter, filter, (outer, inner) => {
        const all = topicsOf(outer);
        const expected = [...topicsOf(inner)].every((t) => all.has(t));
        if (expected) yes++;
        expect(covers(outer, inner)).toBe(expected);
      }),
      { seed: 1, numRuns: 3_000 },
    );
    expect(yes).toBeGreaterThan(30);
  });

  test('overlap(a, b) exactly when they share a topic', () => {
    fc.assert(
      fc.property(filter, filter, (a, b) => {
        const all = topicsOf(a);
        expect(overlap(a, b)).toBe([...topicsOf(b)].some((t) => all.has(t)));
      }),
      { seed: 2, numRuns: 3_000 },
    );
  });
});

test('faults of a filter', () => {
  for (const good of ['a', '/', '#', '+', '+/a/#', 'a//b', '$SYS/#', 'a b'])
    expect(filterFault(good)).toBeUndefined();
  expect(filterFault('')).toMatch('empty');
  expect(filterFault('a/#/b')).toMatch('last level');
  expect(filterFault('a/b#')).toMatch('whole levels');
  expect(filterFault('a+/b')).toMatch('whole levels');
  expect(filterFault('a\0')).toMatch('U+0000');
});

test('the filter inside a shared subscription', () => {
  expect(unshared('a/b')).toBe('a/b');
  expect(unshared('$share/g/a/#')).toBe('a/#');
  expect(unshared('$share/g//a')).toBe('/a');
  for (const bad of ['$share/g', '$share/g/', '$share//a']) expect(unshared(bad)).toBeUndefined();
});
