// Between AMQP values and plain ones: ids, properties, and bodies as JSON for who has no such types.

import type { Id, UserProperty } from '../../contract/message.ts';
import { ConnectionFault } from './fault.ts';
import type { Sections } from './sections.ts';
import { type AmqpMap, type AmqpValue, text } from './types.ts';

export const FOOTER_SECTION = 'footer';
export const ANNOTATION_SECTION = 'annotation';
export const PROPERTIES_SECTION = 'properties';
/** User properties in their order with their duplicates, which no map may have: names and values by turns. */
export const USER_ANNOTATION = 'x-opt-user-properties';

/** Message ids and correlation ids. Undefined: of a type that they may not have. [AMQP1-3.2.11 to 3.2.14] */
export function idOf(value: AmqpValue | undefined): Id | undefined {
  switch (value?.type) {
    case 'string':
    case 'binary':
    case 'ulong':
      return value.value;
    case 'uuid':
      return { uuid: uuidText(value.value) };
    default:
      return undefined;
  }
}

export function valueOfId(id: Id): AmqpValue {
  if (typeof id === 'string') return text(id);
  if (typeof id === 'bigint')
    return id < 1n << 64n && id >= 0n ? { type: 'ulong', value: id } : text(`${id}`);
  if (id instanceof Uint8Array) return { type: 'binary', value: id };
  const octets = uuidOctets(id.uuid);
  return octets === undefined ? text(id.uuid) : { type: 'uuid', value: octets };
}

export function hexOf(octets: Uint8Array): string {
  let hex = '';
  for (const octet of octets) hex += octet.toString(16).padStart(2, '0');
  return hex;
}

function uuidText(octets: Uint8Array): string {
  const hex = hexOf(octets);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function uuidOctets(uuid: string): Uint8Array | undefined {
  const hex = uuid.replaceAll('-', '');
  if (!/^[0-9a-f]{32}$/i.test(hex)) return undefined;
  return Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

/** A property's value; undefined where there is nothing to say of it. */
export function plainOf(v: AmqpValue): UserProperty['value'] | undefined {
  switch (v.type) {
    case 'null':
      return undefined;
    case 'char':
      return String.fromCodePoint(v.value);
    case 'uuid':
      return uuidText(v.value);
    case 'list':
    case 'map':
    case 'array':
    case 'described':
      return JSON.stringify(jsonOf(v));
    default:
      return v.value;
  }
}

/** The type that a value has which came from another protocol. */
export function valueOfPlain(value: UserProperty['value']): AmqpValue {
  switch (typeof value) {
    case 'string':
      return text(value);
    case 'boolean':
      return { type: 'boolean', value };
    case 'bigint':
      if (value === BigInt.asIntN(64, value)) return { type: 'long', value };
      return value === BigInt.asUintN(64, value) ? { type: 'ulong', value } : text(`${value}`);
    case 'number':
      if (!Number.isInteger(value)) return { type: 'double', value };
      if (value === (value | 0)) return { type: 'int', value };
      return Number.isSafeInteger(value) ? { type: 'long', value: BigInt(value) } : { type: 'double', value };
    default:
      return { type: 'binary', value };
  }
}

/** What a value is in JSON: numbers where they are exact, else text; octets as base64. */
export function jsonOf(v: AmqpValue): unknown {
  switch (v.type) {
    case 'ulong':
    case 'long':
    case 'timestamp': {
      const number = Number(v.value);
      return Number.isSafeInteger(number) ? number : v.value.toString();
    }
    case 'char':
      return String.fromCodePoint(v.value);
    case 'uuid':
      return uuidText(v.value);
    case 'decimal32':
    case 'decimal64':
    case 'decimal128':
      return hexOf(v.value);
    case 'binary':
      return base64Of(v.value);
    case 'list':
    case 'array':
      return v.value.map(jsonOf);
    case 'map':
      return Object.fromEntries(v.value.map(([key, value]) => [nameOf(key), jsonOf(value)]));
    case 'described':
      return jsonOf(v.value);
    default:
      return v.value;
  }
}

function nameOf(key: AmqpValue): string {
  const plain = jsonOf(key);
  return typeof plain === 'string' ? plain : JSON.stringify(plain);
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function base64Of(octets: Uint8Array): string {
  let text = '';
  for (let i = 0; i < octets.length; i += 3) {
    const left = octets.length - i;
    const n = (octets[i]! << 16) | ((octets[i + 1] ?? 0) << 8) | (octets[i + 2] ?? 0);
    text += DIGITS[n >> 18]! + DIGITS[(n >> 12) & 63]!;
    text += left > 1 ? DIGITS[(n >> 6) & 63]! : '=';
    text += left > 2 ? DIGITS[n & 63]! : '=';
  }
  return text;
}

/** Everything that a message says besides what every protocol has a place for, in the order of its sections. */
export function userProperties(sections: Sections): UserProperty[] {
  try {
    return [
      ...annotations(sections),
      ...properties(sections),
      ...applications(sections),
      ...footer(sections),
    ];
  } catch (why) {
    // Asked for late, by somebody who did not write it: what cannot be read says nothing. The octets go on as they came.
    if (why instanceof ConnectionFault) return [];
    throw why;
  }
}

function* annotations(sections: Sections): Iterable<UserProperty> {
  if (!sections.hasAnnotations) return;
  for (const property of entries(sections.annotations, ANNOTATION_SECTION))
    if (!property.name.startsWith('x-')) yield property;
}

function* properties({ properties: p }: Sections): Iterable<UserProperty> {
  const section = PROPERTIES_SECTION;
  if (p.subject !== undefined) yield { name: 'subject', value: p.subject, section };
  if (p.replyToGroupId !== undefined) yield { name: 'reply-to-group-id', value: p.replyToGroupId, section };
}

function* applications(sections: Sections): Iterable<UserProperty> {
  const ordered = sections.hasAnnotations ? orderedOnes(sections.annotations) : undefined;
  if (ordered !== undefined) yield* ordered;
  else if (sections.hasApplicationProperties) yield* entries(sections.applicationProperties, undefined);
}

function* footer(sections: Sections): Iterable<UserProperty> {
  if (sections.hasFooter) yield* entries(sections.footer, FOOTER_SECTION);
}

function* entries(map: AmqpMap, section: string | undefined): Iterable<UserProperty> {
  for (const [key, v] of map) {
    const value = plainOf(v);
    if (value === undefined) continue;
    const name = nameOf(key);
    yield section === undefined ? { name, value } : { name, value, section };
  }
}

/** The properties that `USER_ANNOTATION` lists. */
function orderedOnes(map: AmqpMap): UserProperty[] | undefined {
  const list = map.find(([key]) => key.type === 'symbol' && key.value === USER_ANNOTATION)?.[1];
  if (list?.type !== 'list' || list.value.length % 2 !== 0) return undefined;
  const user: UserProperty[] = [];
  for (let i = 0; i < list.value.length; i += 2) {
    const value = plainOf(list.value[i + 1]!);
    if (value !== undefined) user.push({ name: nameOf(list.value[i]!), value });
  }
  return user;
}
