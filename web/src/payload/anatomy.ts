// A PUBLISH packet taken apart: every octet belongs to one named field.

export interface Part {
  readonly name: string;
  readonly value: string;
  readonly octets: Uint8Array;
  /** Which kind of field, for its colour. */
  readonly kind: 'header' | 'topic' | 'id' | 'property' | 'payload';
}

type Shape = 'byte' | 'two' | 'four' | 'varint' | 'text' | 'octets' | 'pair';

/** MQTT 5, 2.2.2.2: the properties that a PUBLISH may have. */
const PROPERTIES: Readonly<Record<number, readonly [name: string, shape: Shape]>> = {
  1: ['Payload Format Indicator', 'byte'],
  2: ['Message Expiry Interval', 'four'],
  3: ['Content Type', 'text'],
  8: ['Response Topic', 'text'],
  9: ['Correlation Data', 'octets'],
  11: ['Subscription Identifier', 'varint'],
  35: ['Topic Alias', 'two'],
  38: ['User Property', 'pair'],
};

const text = new TextDecoder();

/** The fields of a whole, valid PUBLISH in order. */
export function anatomyOf(packet: Uint8Array, level5: boolean): Part[] {
  const parts: Part[] = [];
  let at = 0;
  const take = (kind: Part['kind'], name: string, length: number, value: (octets: Uint8Array) => string) => {
    const octets = packet.subarray(at, at + length);
    parts.push({ kind, name, octets, value: value(octets) });
    at += length;
    return octets;
  };
  const first = packet[0]!;
  const qos = (first >> 1) & 3;
  take('header', 'Packet type and flags', 1, () => {
    const flags = [`QoS ${qos}`, ...(first & 8 ? ['DUP'] : []), ...(first & 1 ? ['RETAIN'] : [])];
    return `PUBLISH, ${flags.join(', ')}`;
  });
  take('header', 'Remaining length', varintLength(packet, at), (o) => `${varint(o)} octets`);
  const topicLength = take('topic', 'Topic length', 2, (o) => `${two(o)} octets`);
  take('topic', 'Topic name', two(topicLength), (o) => text.decode(o));
  if (qos > 0) take('id', 'Packet identifier', 2, (o) => String(two(o)));
  if (level5) {
    const length = take(
      'header',
      'Properties length',
      varintLength(packet, at),
      (o) => `${varint(o)} octets`,
    );
    const end = at + varint(length);
    while (at < end) {
      const [name, shape] = PROPERTIES[packet[at]!] ?? [
        `Property 0x${packet[at]!.toString(16)}`,
        'byte' as const,
      ];
      take('property', name, 1 + shapeLength(packet, at + 1, shape), (o) => readAs(o.subarray(1), shape));
    }
  }
  if (at < packet.length) take('payload', 'Payload', packet.length - at, (o) => `${o.length} octets`);
  return parts;
}

function shapeLength(bytes: Uint8Array, at: number, shape: Shape): number {
  switch (shape) {
    case 'byte':
      return 1;
    case 'two':
      return 2;
    case 'four':
      return 4;
    case 'varint':
      return varintLength(bytes, at);
    case 'text':
    case 'octets':
      return 2 + two(bytes.subarray(at));
    case 'pair': {
      const name = 2 + two(bytes.subarray(at));
      return name + 2 + two(bytes.subarray(at + name));
    }
  }
}

function readAs(octets: Uint8Array, shape: Shape): string {
  switch (shape) {
    case 'byte':
      return String(octets[0]);
    case 'two':
      return String(two(octets));
    case 'four':
      return String(two(octets) * 65_536 + two(octets.subarray(2)));
    case 'varint':
      return String(varint(octets));
    case 'text':
      return text.decode(octets.subarray(2));
    case 'octets':
      return `${octets.length - 2} octets`;
    case 'pair': {
      const name = 2 + two(octets);
      return `${text.decode(octets.subarray(2, name))} = ${text.decode(octets.subarray(name + 2))}`;
    }
  }
}

function two(octets: Uint8Array): number {
  return octets[0]! * 256 + octets[1]!;
}

function varintLength(bytes: Uint8Array, at: number): number {
  let length = 1;
  while (bytes[at + length - 1]! >= 0x80) length++;
  return length;
}

function varint(octets: Uint8Array): number {
  let value = 0;
  for (let i = octets.length - 1; i >= 0; i--) value = value * 128 + (octets[i]! & 0x7f);
  return value;
}
