// The anatomy of CoAP: datagrams (RFC 7252, section 3) and frames of streams and WebSockets (RFC 8323, section 3).

import { contentTypeOf } from '../../protocol/coap/map.ts';
import { CODE, codeText, OPTION, SIGNAL } from '../../protocol/coap/packet.ts';
import { hexOf, type Knife, numberOf, octetCount, type Part, partsOf, textOf } from './part.ts';

const TYPES = ['Confirmable', 'Non-confirmable', 'Acknowledgement', 'Reset'];
const CODE_NAMES = namesOf({ ...CODE, ...SIGNAL });
const OPTION_NAMES = namesOf(OPTION);

type Shape = 'text' | 'number' | 'octets' | 'format' | 'block';

const SHAPES: Readonly<Record<number, Shape>> = {
  [OPTION.uriHost]: 'text',
  [OPTION.uriPath]: 'text',
  [OPTION.uriQuery]: 'text',
  [OPTION.locationPath]: 'text',
  [OPTION.locationQuery]: 'text',
  [OPTION.proxyUri]: 'text',
  [OPTION.proxyScheme]: 'text',
  [OPTION.observe]: 'number',
  [OPTION.uriPort]: 'number',
  [OPTION.maxAge]: 'number',
  [OPTION.size1]: 'number',
  [OPTION.size2]: 'number',
  [OPTION.hopLimit]: 'number',
  [OPTION.noResponse]: 'number',
  [OPTION.contentFormat]: 'format',
  [OPTION.accept]: 'format',
  [OPTION.block1]: 'block',
  [OPTION.block2]: 'block',
};

/** The options of signalling messages have numbers of their own [RFC8323-5.3]. */
const SIGNAL_OPTIONS: Readonly<Record<number, string>> = {
  2: 'Max-Message-Size',
  4: 'Block-Wise-Transfer',
  6: 'Extended-Token-Length',
};

export function nameOfCoap(packet: Uint8Array, datagram: boolean): string {
  const code = codeAt(packet, datagram);
  return CODE_NAMES.get(code) ?? codeText(code);
}

function codeAt(packet: Uint8Array, datagram: boolean): number {
  if (datagram) return packet[1] ?? 0;
  const short = (packet[0] ?? 0) >> 4;
  return packet[1 + (short === 15 ? 4 : short >= 13 ? short - 12 : 0)] ?? 0;
}

export function anatomyOfCoap(packet: Uint8Array, datagram: boolean): Part[] {
  return partsOf(packet, (knife) => {
    const first = knife.peek();
    const tokenNibble = first & 15;
    if (datagram) {
      knife.cut(
        'header',
        'Version, type, token length',
        1,
        `version ${first >> 6}, ${TYPES[(first >> 4) & 3]}, token of ${tokenNibble}`,
      );
    } else {
      knife.cut('header', 'Length, token length', 1, `length ${first >> 4}, token of ${tokenNibble}`);
      const short = first >> 4;
      if (short >= 13)
        knife.number(
          'header',
          'Extended length',
          short === 15 ? 4 : short - 12,
          ' and what the nibble stands for',
        );
    }
    const code = numberOf(
      knife.cut('header', 'Code', 1, ([o]) => `${codeText(o!)}, ${CODE_NAMES.get(o!) ?? 'unknown'}`),
    );
    if (datagram) knife.number('id', 'Message ID', 2);
    token(knife, tokenNibble);
    options(knife, code >> 5 === 7);
  });
}

function token(knife: Knife, nibble: number): void {
  let length = nibble;
  if (nibble === 13) length = knife.number('id', 'Extended token length', 1) + 13;
  else if (nibble === 14) length = knife.number('id', 'Extended token length', 2) + 269;
  if (length > 0) knife.cut('id', 'Token', length, hexOf);
}

function options(knife: Knife, signal: boolean): void {
  let number = 0;
  while (knife.left > 0) {
    if (knife.peek() === 0xff) {
      knife.cut('header', 'Payload marker', 1, 'options end here');
      knife.payload();
      return;
    }
    const [delta, afterDelta] = extended(knife, knife.peek() >> 4, 1);
    const [length, head] = extended(knife, knife.peek() & 15, afterDelta);
    number += delta;
    const name = (signal ? SIGNAL_OPTIONS[number] : OPTION_NAMES.get(number)) ?? `Option ${number}`;
    const shape = signal ? 'number' : (SHAPES[number] ?? 'octets');
    const topic = number === OPTION.uriPath || number === OPTION.locationPath;
    knife.cut(topic && !signal ? 'topic' : 'property', name, head + length, (o) =>
      readAs(o.subarray(head), shape),
    );
  }
}

/** What a nibble stands for, and where the next field begins. */
function extended(knife: Knife, nibble: number, at: number): [value: number, next: number] {
  if (nibble === 13) return [knife.peek(at) + 13, at + 1];
  if (nibble === 14) return [knife.peek(at) * 256 + knife.peek(at + 1) + 269, at + 2];
  return [nibble, at];
}

function readAs(value: Uint8Array, shape: Shape): string {
  const n = numberOf(value);
  switch (shape) {
    case 'text':
      return textOf(value);
    case 'number':
      return String(n);
    case 'format':
      return `${n}, ${contentTypeOf(n)}`;
    case 'block':
      return `block ${Math.floor(n / 16)} of ${2 ** ((n & 7) + 4)} octets${n & 8 ? ', more follow' : ', the last'}`;
    case 'octets':
      return value.length === 0 ? octetCount(value) : hexOf(value);
  }
}

/** `uriPath` → `Uri-Path` */
function namesOf(table: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(
    Object.entries(table).map(([name, number]) => [
      number,
      (name[0]!.toUpperCase() + name.slice(1)).replace(/(?!^)[A-Z]/g, '-$&'),
    ]),
  );
}
