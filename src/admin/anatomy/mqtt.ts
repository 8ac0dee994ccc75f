// The anatomy of MQTT 3.1.1 and 5 packets, every type of them, both ways.

import { hexNumber, hexOf, type Knife, numberOf, octetCount, type Part, partsOf, textOf } from './part.ts';

const TYPES = [
  'Reserved',
  'CONNECT',
  'CONNACK',
  'PUBLISH',
  'PUBACK',
  'PUBREC',
  'PUBREL',
  'PUBCOMP',
  'SUBSCRIBE',
  'SUBACK',
  'UNSUBSCRIBE',
  'UNSUBACK',
  'PINGREQ',
  'PINGRESP',
  'DISCONNECT',
  'AUTH',
];

type Shape = 'byte' | 'two' | 'four' | 'varint' | 'text' | 'octets' | 'pair';

/** MQTT 5, 2.2.2.2. */
const PROPERTIES: Readonly<Record<number, readonly [name: string, shape: Shape]>> = {
  1: ['Payload Format Indicator', 'byte'],
  2: ['Message Expiry Interval', 'four'],
  3: ['Content Type', 'text'],
  8: ['Response Topic', 'text'],
  9: ['Correlation Data', 'octets'],
  11: ['Subscription Identifier', 'varint'],
  17: ['Session Expiry Interval', 'four'],
  18: ['Assigned Client Identifier', 'text'],
  19: ['Server Keep Alive', 'two'],
  21: ['Authentication Method', 'text'],
  22: ['Authentication Data', 'octets'],
  23: ['Request Problem Information', 'byte'],
  24: ['Will Delay Interval', 'four'],
  25: ['Request Response Information', 'byte'],
  26: ['Response Information', 'text'],
  28: ['Server Reference', 'text'],
  31: ['Reason String', 'text'],
  33: ['Receive Maximum', 'two'],
  34: ['Topic Alias Maximum', 'two'],
  35: ['Topic Alias', 'two'],
  36: ['Maximum QoS', 'byte'],
  37: ['Retain Available', 'byte'],
  38: ['User Property', 'pair'],
  39: ['Maximum Packet Size', 'four'],
  40: ['Wildcard Subscription Available', 'byte'],
  41: ['Subscription Identifier Available', 'byte'],
  42: ['Shared Subscription Available', 'byte'],
};

export function nameOfMqtt(packet: Uint8Array): string {
  return TYPES[(packet[0] ?? 0) >> 4]!;
}

/** The fields of one whole packet, in order. */
export function anatomyOfMqtt(packet: Uint8Array, level5: boolean): Part[] {
  return partsOf(packet, (knife) => {
    const first = knife.peek();
    const type = first >> 4;
    knife.cut('header', 'Packet type and flags', 1, () => firstOctet(first));
    knife.cut('header', 'Remaining length', varintLength(knife), (o) => `${varint(o)} octets follow`);
    if (type === 1) connect(knife);
    else if (type === 2) connack(knife, level5);
    else if (type === 3) publish(knife, first, level5);
    else if (type >= 4 && type <= 7) acknowledgement(knife, level5);
    else if (type === 8 || type === 10) subscribe(knife, type === 8, level5);
    else if (type === 9 || type === 11) suback(knife, type === 9, level5);
    else if (type >= 14 && level5 && knife.left > 0) {
      reason(knife);
      if (knife.left > 0) properties(knife, '');
    }
  });
}

function firstOctet(first: number): string {
  const name = TYPES[first >> 4]!;
  if (first >> 4 !== 3) return `${name}, flags ${(first & 15).toString(2).padStart(4, '0')}`;
  const flags = [`QoS ${(first >> 1) & 3}`, ...(first & 8 ? ['DUP'] : []), ...(first & 1 ? ['RETAIN'] : [])];
  return `${name}, ${flags.join(', ')}`;
}

const CONNECT_FLAGS: readonly (readonly [bit: number, name: string])[] = [
  [0x80, 'user name'],
  [0x40, 'password'],
  [0x20, 'will retained'],
  [0x04, 'will'],
  [0x02, 'clean start'],
];

function connect(knife: Knife): void {
  knife.counted('header', 'Protocol name');
  const level = numberOf(
    knife.cut('header', 'Protocol level', 1, ([o]) => `${o}, ${LEVELS[o! & 0x7f] ?? 'unknown'}`),
  );
  const flags = numberOf(
    knife.cut('flags', 'Connect flags', 1, ([o]) => {
      const set = CONNECT_FLAGS.filter(([bit]) => (o! & bit) !== 0).map(([, name]) => name);
      if (o! & 4) set.push(`will QoS ${(o! >> 3) & 3}`);
      return set.join(', ') || 'none';
    }),
  );
  knife.number('header', 'Keep alive', 2, ' s');
  const level5 = (level & 0x7f) === 5;
  if (level5) properties(knife, '');
  knife.counted('id', 'Client identifier');
  if (flags & 0x04) {
    if (level5) properties(knife, 'Will: ');
    knife.counted('topic', 'Will topic');
    knife.counted('payload', 'Will payload', octetCount);
  }
  if (flags & 0x80) knife.counted('id', 'User name');
  if (flags & 0x40) knife.counted('id', 'Password', (o) => `${octetCount(o)}, not shown`);
}

const LEVELS: Readonly<Record<number, string>> = { 3: 'MQTT 3.1', 4: 'MQTT 3.1.1', 5: 'MQTT 5' };

function connack(knife: Knife, level5: boolean): void {
  knife.cut('flags', 'Acknowledge flags', 1, ([o]) => (o! & 1 ? 'session present' : 'no session before'));
  reason(knife);
  if (level5) properties(knife, '');
}

function publish(knife: Knife, first: number, level5: boolean): void {
  const topicLength = knife.number('topic', 'Topic length', 2, ' octets');
  knife.text('topic', 'Topic name', topicLength);
  if (((first >> 1) & 3) > 0) knife.number('id', 'Packet identifier', 2);
  if (level5) properties(knife, '');
  knife.payload();
}

function acknowledgement(knife: Knife, level5: boolean): void {
  knife.number('id', 'Packet identifier', 2);
  if (!level5 || knife.left === 0) return;
  reason(knife);
  if (knife.left > 0) properties(knife, '');
}

function subscribe(knife: Knife, options: boolean, level5: boolean): void {
  knife.number('id', 'Packet identifier', 2);
  if (level5) properties(knife, '');
  while (knife.left > 0) {
    knife.counted('topic', 'Topic filter');
    if (options) knife.cut('flags', 'Subscription options', 1, ([o]) => subscriptionOptions(o!, level5));
  }
}

const RETAIN_HANDLING = ['send retained messages', 'send them if it is new', 'send none', 'reserved'];

function subscriptionOptions(o: number, level5: boolean): string {
  const said = [`QoS ${o & 3}`];
  if (!level5) return said[0]!;
  if (o & 4) said.push('no local');
  if (o & 8) said.push('retain as published');
  said.push(RETAIN_HANDLING[(o >> 4) & 3]!);
  return said.join(', ');
}

function suback(knife: Knife, granted: boolean, level5: boolean): void {
  knife.number('id', 'Packet identifier', 2);
  if (level5) properties(knife, '');
  while (knife.left > 0) {
    if (granted && knife.peek() < 3) knife.cut('flags', 'Granted', 1, ([o]) => `QoS ${o}`);
    else reason(knife);
  }
}

function reason(knife: Knife): void {
  knife.cut('flags', 'Reason code', 1, ([o]) => `${hexNumber(o!)}, ${o! >= 0x80 ? 'refused' : 'done'}`);
}

function properties(knife: Knife, prefix: string): void {
  const length = varint(
    knife.cut('header', `${prefix}Properties length`, varintLength(knife), (o) => `${varint(o)} octets`),
  );
  const end = knife.at + length;
  while (knife.at < end) {
    const [name, shape] = PROPERTIES[knife.peek()] ?? [
      `Property ${hexNumber(knife.peek())}`,
      'byte' as const,
    ];
    knife.cut('property', prefix + name, 1 + shapeLength(knife, shape), (o) => readAs(o.subarray(1), shape));
  }
}

function shapeLength(knife: Knife, shape: Shape): number {
  const counted = (ahead: number) => 2 + knife.peek(ahead) * 256 + knife.peek(ahead + 1);
  switch (shape) {
    case 'byte':
      return 1;
    case 'two':
      return 2;
    case 'four':
      return 4;
    case 'varint':
      return varintLength(knife, 1);
    case 'text':
    case 'octets':
      return counted(1);
    case 'pair': {
      const name = counted(1);
      return name + counted(1 + name);
    }
  }
}

function readAs(octets: Uint8Array, shape: Shape): string {
  switch (shape) {
    case 'byte':
    case 'two':
    case 'four':
      return String(numberOf(octets));
    case 'varint':
      return String(varint(octets));
    case 'text':
      return textOf(octets.subarray(2));
    case 'octets':
      return hexOf(octets.subarray(2));
    case 'pair': {
      const name = 2 + numberOf(octets.subarray(0, 2));
      return `${textOf(octets.subarray(2, name))} = ${textOf(octets.subarray(name + 2))}`;
    }
  }
}

const MAX_VARINT = 4;

function varintLength(knife: Knife, ahead = 0): number {
  let length = 1;
  while (length < MAX_VARINT && knife.peek(ahead + length - 1) >= 0x80) length++;
  return length;
}

function varint(octets: Uint8Array): number {
  let value = 0;
  for (let i = octets.length - 1; i >= 0; i--) value = value * 128 + (octets[i]! & 0x7f);
  return value;
}
