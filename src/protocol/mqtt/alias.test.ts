// Topic aliases in both directions.

import { expect, test } from 'vitest';
import { IncomingAliases, OutgoingAliases } from './alias.ts';

test('[MQTT5-3.3.2-12] an alias stands for its topic until it is given another', () => {
  const aliases = new IncomingAliases(2);
  expect(aliases.resolve(1, 'a')).toBe('a');
  expect(aliases.resolve(1, '')).toBe('a');
  expect(aliases.resolve(1, 'b')).toBe('b');
  expect(aliases.resolve(1, '')).toBe('b');
});

test('[MQTT5-3.3.2-9] an alias above the maximum, and one that stands for nothing', () => {
  const aliases = new IncomingAliases(2);
  expect(() => aliases.resolve(3, 'a')).toThrowError(expect.objectContaining({ code: 0x94 }));
  expect(() => aliases.resolve(2, '')).toThrowError(expect.objectContaining({ code: 0x82 }));
});

test('a topic gets an alias the second time, and the oldest gives way', () => {
  const aliases = new OutgoingAliases(2);
  const send = (topic: string): string => {
    const known = aliases.known(topic);
    if (known !== 0) return `${known}`;
    const given = aliases.introduce(topic);
    return given === 0 ? topic : `${topic}=${given}`;
  };
  const sent = ['a', 'a', 'a', 'b', 'b', 'c', 'c', 'a', 'a', 'c', 'b'].map(send);
  expect(sent).toEqual(['a', 'a=1', '1', 'b', 'b=2', 'c', 'c=1', 'a', 'a=2', '1', 'b']);
});

test('topics that never come back use up no memory', () => {
  const aliases = new OutgoingAliases(4);
  for (let i = 0; i < 1_000; i++) expect(aliases.introduce(`t/${i}`)).toBe(0);
  expect(aliases.candidates).toBeLessThanOrEqual(16);
});
