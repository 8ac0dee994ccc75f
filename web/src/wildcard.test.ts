// The wildcard tester says the same as the standard, and gives the reason.

import { expect, test } from 'vitest';
import { matchTopic } from './wildcard.ts';

const ROWS: [filter: string, topic: string, matches: boolean, why: RegExp][] = [
  ['sport/#', 'sport', true, /no level at all/],
  ['sport/#', 'sport/a/b', true, /takes 'a\/b'/],
  ['sport/+', 'sport', false, /no level 2/],
  ['sport/+', 'sport/', true, /every level/],
  ['+', '/finance', false, /goes on/],
  ['/+', '/finance', true, /every level/],
  ['#', '$SYS/x', false, /begin with '\$'/],
  ['$SYS/#', '$SYS/x', true, /takes/],
  ['a/b', 'a/c', false, /wants 'b', the topic has 'c'/],
  ['a#', 'a', false, /whole level/],
  ['#/a', 'a', false, /the last one/],
  ['$share/g/a/+', 'a/b', true, /every level/],
  ['$share//a', 'a', false, /\{group\}/],
];
test.each(ROWS)('%s on %s: %s', (filter, topic, matches, why) => {
  const verdict = matchTopic(filter, topic);
  expect(verdict.matches).toBe(matches);
  expect(verdict.why).toMatch(why);
});
