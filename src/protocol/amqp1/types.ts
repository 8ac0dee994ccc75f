// AMQP 1.0 values as they are in memory: the type that each arrived with stays with it. [AMQP1-1.6]

export type AmqpValue =
  | { readonly type: 'null'; readonly value: null }
  | { readonly type: 'boolean'; readonly value: boolean }
  | {
      readonly type: 'ubyte' | 'ushort' | 'uint' | 'byte' | 'short' | 'int' | 'float' | 'double';
      readonly value: number;
    }
  /** A timestamp is in ms since 1970. */
  | { readonly type: 'ulong' | 'long' | 'timestamp'; readonly value: bigint }
  /** One Unicode character, as its code point. */
  | { readonly type: 'char'; readonly value: number }
  /** Decimals are kept as the octets that they are written with. */
  | {
      readonly type: 'decimal32' | 'decimal64' | 'decimal128' | 'uuid' | 'binary';
      readonly value: Uint8Array;
    }
  | { readonly type: 'string' | 'symbol'; readonly value: string }
  | { readonly type: 'list'; readonly value: readonly AmqpValue[] }
  | { readonly type: 'map'; readonly value: AmqpMap }
  /** All of one constructor, `of`; of described types each element is one. */
  | { readonly type: 'array'; readonly of: number; readonly value: readonly AmqpValue[] }
  | { readonly type: 'described'; readonly descriptor: AmqpValue; readonly value: AmqpValue };

export type AmqpType = AmqpValue['type'];

/** Keys and values in the order that they came in. */
export type AmqpMap = readonly (readonly [key: AmqpValue, value: AmqpValue])[];

export const NULL: AmqpValue = { type: 'null', value: null };

export const symbol = (value: string): AmqpValue => ({ type: 'symbol', value });
export const text = (value: string): AmqpValue => ({ type: 'string', value });
export const truth = (value: boolean): AmqpValue => ({ type: 'boolean', value });

/** The value of a symbol or string key. */
export function lookUp(map: AmqpMap | undefined, name: string): AmqpValue | undefined {
  if (map === undefined) return undefined;
  for (const [key, value] of map) {
    if ((key.type === 'symbol' || key.type === 'string') && key.value === name) return value;
  }
  return undefined;
}

/** The descriptor as a number, whether it came as one or as a symbol of `names`; undefined for others. */
export function codeOf(descriptor: AmqpValue, names: ReadonlyMap<string, number>): number | undefined {
  if (descriptor.type === 'ulong') return Number(descriptor.value);
  return descriptor.type === 'symbol' ? names.get(descriptor.value) : undefined;
}

/** Constructors that `decode.ts` and `encode.ts` share. [AMQP1-1.6] */
export const FORMAT = {
  described: 0x00,
  null: 0x40,
  true: 0x41,
  false: 0x42,
  uint0: 0x43,
  ulong0: 0x44,
  list0: 0x45,
  ubyte: 0x50,
  byte: 0x51,
  smalluint: 0x52,
  smallulong: 0x53,
  smallint: 0x54,
  smalllong: 0x55,
  boolean: 0x56,
  ushort: 0x60,
  short: 0x61,
  uint: 0x70,
  int: 0x71,
  float: 0x72,
  char: 0x73,
  decimal32: 0x74,
  ulong: 0x80,
  long: 0x81,
  double: 0x82,
  timestamp: 0x83,
  decimal64: 0x84,
  decimal128: 0x94,
  uuid: 0x98,
  vbin8: 0xa0,
  str8: 0xa1,
  sym8: 0xa3,
  vbin32: 0xb0,
  str32: 0xb1,
  sym32: 0xb3,
  list8: 0xc0,
  map8: 0xc1,
  list32: 0xd0,
  map32: 0xd1,
  array8: 0xe0,
  array32: 0xf0,
} as const;
