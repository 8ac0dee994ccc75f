// The anatomy of protocols that are text: JSON frames of waymeet.v1, server-sent events, HTTP and STOMP heads, line by line.

import { type Part, type PartKind, partsOf } from '../../../src/admin/anatomy/part.ts';

const utf8 = new TextEncoder();

const KINDS: Readonly<Record<string, PartKind>> = {
  type: 'header',
  event: 'header',
  topic: 'topic',
  filter: 'topic',
  destination: 'topic',
  id: 'id',
  ack: 'id',
  client: 'id',
  subscription: 'id',
  'message-id': 'id',
  qos: 'flags',
  retain: 'flags',
  payload: 'payload',
  payloadBase64: 'payload',
};

/** Each member of the object is a part, as its text stands there. */
export function anatomyOfJson(raw: string): Part[] {
  return partsOf(utf8.encode(raw), (knife) => {
    const frame = frameOf(raw);
    const names = Object.keys(frame);
    for (const [i, name] of names.entries()) {
      // Only what JSON.stringify wrote is found again: anything else stays one part.
      const text = `${i === 0 ? '{' : ','}${JSON.stringify(name)}:${JSON.stringify(frame[name])}${i === names.length - 1 ? '}' : ''}`;
      const octets = utf8.encode(text);
      if (!raw.startsWith(text, textAt(knife.bytes, knife.at)))
        throw new RangeError('written in another way');
      knife.cut(KINDS[name] ?? 'property', name, octets.length, shownAs(frame[name]));
    }
  });
}

/** Throws RangeError for what is no JSON object. */
function frameOf(raw: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    throw new RangeError('this is no JSON');
  }
  if (typeof value !== 'object' || value === null) throw new RangeError('this is no JSON object');
  return value as Readonly<Record<string, unknown>>;
}

function textAt(bytes: Uint8Array, at: number): number {
  return new TextDecoder().decode(bytes.subarray(0, at)).length;
}

function shownAs(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Lines of `name: value`; what comes after an empty line is the body. */
export function anatomyOfLines(raw: string): Part[] {
  return partsOf(utf8.encode(raw), (knife) => {
    let rest = raw;
    for (let line = 0; rest !== ''; line++) {
      const end = rest.indexOf('\n') + 1;
      const text = end === 0 ? rest : rest.slice(0, end);
      const bare = text.trimEnd();
      if (bare === '') {
        knife.cut('header', 'Empty line', text.length, 'the head ends here');
        knife.payload();
        return;
      }
      const colon = bare.indexOf(':');
      const name = bare.slice(0, colon).trim();
      const length = utf8.encode(text).length;
      if (colon < 1 || /\s/.test(name)) knife.cut('header', line === 0 ? 'First line' : 'Line', length, bare);
      else
        knife.cut(
          KINDS[name.toLowerCase()] ?? (name === 'data' ? 'payload' : 'property'),
          name,
          length,
          bare.slice(colon + 1).trim(),
        );
      rest = rest.slice(text.length);
    }
  });
}
