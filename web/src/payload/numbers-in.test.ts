// Which numbers of a payload can be drawn, and what they are.

import { expect, test } from 'vitest';
import { numberIn, numericFields } from './numbers-in.ts';
import { type PayloadFormat, writePayload } from './write.ts';

const ROWS: readonly [format: PayloadFormat, type: string | undefined, text: string, fields: string[]][] = [
  ['text', undefined, '21.5', ['']],
  ['text', undefined, 'hot', []],
  ['json', 'application/json', '{"a":{"b":1},"list":[2,"x"],"no":null}', ['a.b', 'list.0']],
  ['cbor', 'application/senml+cbor', '{"t":21.5}', ['t']],
  ['msgpack', 'application/x-msgpack', '[1,{"t":2}]', ['0', '1.t']],
  ['cbor', undefined, '{"t":1}', []],
];

test.each(ROWS)('%s as %s: %s', (format, type, text, fields) => {
  expect(numericFields(writePayload(text, format), type)).toEqual(fields);
});

test('a path that a later payload has not is no number', () => {
  const payload = writePayload('{"a":{"b":"x"},"n":null}', 'json');
  for (const path of ['a.b', 'a.b.c', 'n.x', 'z', ''])
    expect(numberIn(payload, undefined, path)).toBeUndefined();
});
