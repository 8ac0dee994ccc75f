// The two trees against the plainest possible matcher.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FilterTree } from './filters.ts';
import { TopicTree } from './topics.ts';

/** Level by level, `#` anywhere, `$` topics hidden from leading wildcards. */
function matches(filter: string, topic: string): boolean {
  const f = filter.split('/');
  const t = topic.split('/');
  if (topic.startsWith('$') && (f[0] === '+' || f[0] === '#')) return false;
  const from = (i: number, j: number): boolean => {
    if (i === f.length) return j === t.length;
    if (f[i] === '#') {
      for (let k = j; k <= t.length; k++) if (from(i + 1, k)) return true;
      return false;
    }
    return j < t.length && (f[i] === '+' || f[i] === t[j]) && from(i + 1, j + 1);
  };
  return from(0, 0);
}

const level = fc.constantFrom('', 'a', 'b', '$s', 'aa');
const topics = fc
  .array(level, { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join('/'))
  .filter((t) => t !== '');
const filterLevel = fc.constantFrom('', 'a', 'b', '$s', 'aa', '+', '+');
const filters = fc
  .tuple(fc.array(filterLevel, { minLength: 0, maxLength: 4 }), fc.boolean())
  .map(([levels, multi]) => (multi ? [...levels, '#'] : levels).join('/'))
  .filter((f) => f !== '');

const TABLE: [filter: string, topic: string, match: boolean][] = [
  ['sport/tennis/player1/#', 'sport/tennis/player1', true],
  ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
  ['sport/#', 'sport', true],
  ['#', 'sport/tennis', true],
  ['#', '/finance', true],
  ['+', 'finance', true],
  ['+', '/finance', false],
  ['/+', '/finance', true],
  ['+/+', '/finance', true],
  ['sport/+', 'sport', false],
  ['sport/+', 'sport/', true],
  ['+/tennis/#', 'sport/tennis/x', true],
  ['#', '$SYS/uptime', false],
  ['+/monitor/Clients', '$SYS/monitor/Clients', false],
  ['$SYS/#', '$SYS/uptime', true],
  ['$SYS/monitor/+', '$SYS/monitor/Clients', true],
  ['ACCOUNTS', 'Accounts', false],
  ['a//b', 'a/b', false],
  ['a/#/b', 'a/x/y/b', true],
  ['a/#/b', 'a/b', true],
  ['a/#/b', 'a/b/c', false],
];

test.each(TABLE)('[MQTT5-4.7.1-1] [MQTT5-4.7.2-1] %s against %s: %s', (filter, topic, match) => {
  const tree = new FilterTree<string>();
  tree.add(filter, 'x');
  expect(tree.match(topic).length > 0).toBe(match);
  const mirror = new TopicTree<string>();
  mirror.set(topic, 'x');
  const found: string[] = [];
  mirror.select(filter, (v) => found.push(v));
  expect(found.length > 0).toBe(match);
});

test('any set of filters finds what a plain matcher finds, before and after removals', () => {
  fc.assert(
    fc.property(fc.array(filters, { maxLength: 30 }), fc.array(topics, { maxLength: 10 }), (all, asked) => {
      const tree = new FilterTree<number>();
      for (const [i, f] of all.entries()) tree.add(f, i);
      expect(tree.size).toBe(all.length);
      const check = (alive: (i: number) => boolean): void => {
        for (const topic of asked) {
          const expected = all.flatMap((f, i) => (alive(i) && matches(f, topic) ? [i] : []));
          expect(tree.match(topic).sort((a, b) => a - b)).toEqual(expected);
        }
      };
      check(() => true);
      all.forEach((f, i) => {
        if (i % 2 === 0) expect(tree.remove(f, i)).toBe(true);
      });
      check((i) => i % 2 === 1);
      all.forEach((f, i) => {
        if (i % 2 === 1) tree.remove(f, i);
      });
      expect(tree.size).toBe(0);
    }),
    { seed: 1 },
  );
});

test('any set of topics is selected by a filter as a plain matcher would', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(topics, { maxLength: 30 }),
      fc.array(filters, { maxLength: 10 }),
      (all, asked) => {
        const tree = new TopicTree<string>();
        for (const topic of all) tree.set(topic, topic);
        for (const topic of all.filter((_, i) => i % 3 === 0)) expect(tree.delete(topic)).toBe(true);
        const left = all.filter((_, i) => i % 3 !== 0);
        expect(tree.size).toBe(left.length);
        for (const topic of all) expect(tree.get(topic)).toBe(left.includes(topic) ? topic : undefined);
        for (const filter of asked) {
          const found: string[] = [];
          tree.select(filter, (topic) => found.push(topic));
          expect(found.sort()).toEqual(left.filter((topic) => matches(filter, topic)).sort());
        }
      },
    ),
    { seed: 1 },
  );
});

test.each([
  ['a/#/b', 'a/b', true],
  ['a/#/b', 'a/x/y/b', true],
  ['a/#/b', 'a/b/x', false],
  ['#/b/#', 'b', true],
  ['#/x/#/y/#', 'a/x/b/y/c', true],
  ['#/x/#/y/#', 'y/x', false],
] as const)('a binding %s and the topic %s: %s', (filter, topic, match) => {
  const tree = new FilterTree<number>();
  tree.add(filter, 1);
  expect(tree.match(topic)).toEqual(match ? [1] : []);
});

test('many # in one binding cost each place once', () => {
  const tree = new FilterTree<number>();
  tree.add(Array(30).fill('#/a').join('/'), 1);
  expect(tree.match(Array(120).fill('a').join('/'))).toEqual([1]);
  expect(tree.match(`${Array(120).fill('a').join('/')}/b`)).toEqual([]);
});

test('[law] a tree knows which literal levels it has below it', () => {
  const tree = new FilterTree<number>();
  tree.add('$exchange/x/#', 1);
  expect([tree.has('$exchange/x'), tree.has('$exchange/y'), tree.has('$exchange')]).toEqual([
    true,
    false,
    true,
  ]);
  tree.remove('$exchange/x/#', 1);
  expect(tree.has('$exchange')).toBe(false);
});
