// Frames, methods and content properties: the tables of the standard, and the types that follow from them.

import type { Table } from './fields.ts';

export const METHOD = 1;
export const HEADER = 2;
export const BODY = 3;
export const HEARTBEAT = 8;
export const FRAME_END = 0xce;
/** type | channel | size | payload | end */
export const FRAME_OVERHEAD = 8;
/** What every peer takes before anything was agreed on. [AMQP091-4.2.3] */
export const FRAME_MIN_SIZE = 4_096;
export const BASIC_CLASS = 60;

/** What opens a connection: AMQP 0 0 9 1. [AMQP091-4.2.2] */
export const PROTOCOL_HEADER = Uint8Array.of(0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1);

interface ArgumentTypes {
  octet: number;
  short: number;
  long: number;
  longlong: number;
  shortstr: string;
  longstr: Uint8Array;
  bit: boolean;
  table: Table;
  /** A short string of any octets. */
  id: string | Uint8Array;
}
export type ArgumentType = keyof ArgumentTypes;
type Arguments = readonly (readonly [name: string, type: ArgumentType])[];

interface Shape {
  /** Class, then method. */
  readonly id: readonly [number, number];
  /** A name of '' is reserved: nobody reads it. */
  readonly args: Arguments;
}

const TICKET = ['', 'short'] as const;
const TAG = ['deliveryTag', 'longlong'] as const;
const EXCHANGE = ['exchange', 'shortstr'] as const;
const QUEUE = ['queue', 'shortstr'] as const;
const KEY = ['routingKey', 'shortstr'] as const;
const NO_WAIT = ['noWait', 'bit'] as const;
const TABLE = ['table', 'table'] as const;
const REPLY = [
  ['replyCode', 'short'],
  ['replyText', 'shortstr'],
] as const;
const CLOSE = [...REPLY, ['classId', 'short'], ['methodId', 'short']] as const;
const TUNE = [
  ['channelMax', 'short'],
  ['frameMax', 'long'],
  ['heartbeat', 'short'],
] as const;
const CONSUMER = ['consumerTag', 'shortstr'] as const;
const SOURCE = [['destination', 'shortstr'], ['source', 'shortstr'], KEY, NO_WAIT, TABLE] as const;

export const METHODS = {
  'connection.start': {
    id: [10, 10],
    args: [
      ['versionMajor', 'octet'],
      ['versionMinor', 'octet'],
      ['serverProperties', 'table'],
      ['mechanisms', 'longstr'],
      ['locales', 'longstr'],
    ],
  },
  'connection.start-ok': {
    id: [10, 11],
    args: [
      ['clientProperties', 'table'],
      ['mechanism', 'shortstr'],
      ['response', 'longstr'],
      ['locale', 'shortstr'],
    ],
  },
  'connection.secure': { id: [10, 20], args: [['challenge', 'longstr']] },
  'connection.secure-ok': { id: [10, 21], args: [['response', 'longstr']] },
  'connection.tune': { id: [10, 30], args: TUNE },
  'connection.tune-ok': { id: [10, 31], args: TUNE },
  'connection.open': {
    id: [10, 40],
    args: [
      ['virtualHost', 'shortstr'],
      ['', 'shortstr'],
      ['', 'bit'],
    ],
  },
  'connection.open-ok': { id: [10, 41], args: [['', 'shortstr']] },
  'connection.close': { id: [10, 50], args: CLOSE },
  'connection.close-ok': { id: [10, 51], args: [] },
  'connection.blocked': { id: [10, 60], args: [['reason', 'shortstr']] },
  'connection.unblocked': { id: [10, 61], args: [] },
  'connection.update-secret': {
    id: [10, 70],
    args: [
      ['newSecret', 'longstr'],
      ['reason', 'shortstr'],
    ],
  },
  'connection.update-secret-ok': { id: [10, 71], args: [] },
  'channel.open': { id: [20, 10], args: [['', 'shortstr']] },
  'channel.open-ok': { id: [20, 11], args: [['', 'longstr']] },
  'channel.flow': { id: [20, 20], args: [['active', 'bit']] },
  'channel.flow-ok': { id: [20, 21], args: [['active', 'bit']] },
  'channel.close': { id: [20, 40], args: CLOSE },
  'channel.close-ok': { id: [20, 41], args: [] },
  'exchange.declare': {
    id: [40, 10],
    args: [
      TICKET,
      EXCHANGE,
      ['type', 'shortstr'],
      ['passive', 'bit'],
      ['durable', 'bit'],
      ['autoDelete', 'bit'],
      ['internal', 'bit'],
      NO_WAIT,
      TABLE,
    ],
  },
  'exchange.declare-ok': { id: [40, 11], args: [] },
  'exchange.delete': { id: [40, 20], args: [TICKET, EXCHANGE, ['ifUnused', 'bit'], NO_WAIT] },
  'exchange.delete-ok': { id: [40, 21], args: [] },
  'exchange.bind': { id: [40, 30], args: [TICKET, ...SOURCE] },
  'exchange.bind-ok': { id: [40, 31], args: [] },
  'exchange.unbind': { id: [40, 40], args: [TICKET, ...SOURCE] },
  'exchange.unbind-ok': { id: [40, 51], args: [] },
  'queue.declare': {
    id: [50, 10],
    args: [
      TICKET,
      QUEUE,
      ['passive', 'bit'],
      ['durable', 'bit'],
      ['exclusive', 'bit'],
      ['autoDelete', 'bit'],
      NO_WAIT,
      TABLE,
    ],
  },
  'queue.declare-ok': {
    id: [50, 11],
    args: [QUEUE, ['messageCount', 'long'], ['consumerCount', 'long']],
  },
  'queue.bind': { id: [50, 20], args: [TICKET, QUEUE, EXCHANGE, KEY, NO_WAIT, TABLE] },
  'queue.bind-ok': { id: [50, 21], args: [] },
  'queue.purge': { id: [50, 30], args: [TICKET, QUEUE, NO_WAIT] },
  'queue.purge-ok': { id: [50, 31], args: [['messageCount', 'long']] },
  'queue.delete': {
    id: [50, 40],
    args: [TICKET, QUEUE, ['ifUnused', 'bit'], ['ifEmpty', 'bit'], NO_WAIT],
  },
  'queue.delete-ok': { id: [50, 41], args: [['messageCount', 'long']] },
  'queue.unbind': { id: [50, 50], args: [TICKET, QUEUE, EXCHANGE, KEY, TABLE] },
  'queue.unbind-ok': { id: [50, 51], args: [] },
  'basic.qos': {
    id: [60, 10],
    args: [
      ['prefetchSize', 'long'],
      ['prefetchCount', 'short'],
      ['global', 'bit'],
    ],
  },
  'basic.qos-ok': { id: [60, 11], args: [] },
  'basic.consume': {
    id: [60, 20],
    args: [
      TICKET,
      QUEUE,
      CONSUMER,
      ['noLocal', 'bit'],
      ['noAck', 'bit'],
      ['exclusive', 'bit'],
      NO_WAIT,
      TABLE,
    ],
  },
  'basic.consume-ok': { id: [60, 21], args: [CONSUMER] },
  'basic.cancel': { id: [60, 30], args: [CONSUMER, NO_WAIT] },
  'basic.cancel-ok': { id: [60, 31], args: [CONSUMER] },
  'basic.publish': {
    id: [60, 40],
    args: [TICKET, EXCHANGE, KEY, ['mandatory', 'bit'], ['immediate', 'bit']],
  },
  'basic.return': { id: [60, 50], args: [...REPLY, EXCHANGE, KEY] },
  'basic.deliver': { id: [60, 60], args: [CONSUMER, TAG, ['redelivered', 'bit'], EXCHANGE, KEY] },
  'basic.get': { id: [60, 70], args: [TICKET, QUEUE, ['noAck', 'bit']] },
  'basic.get-ok': {
    id: [60, 71],
    args: [TAG, ['redelivered', 'bit'], EXCHANGE, KEY, ['messageCount', 'long']],
  },
  'basic.get-empty': { id: [60, 72], args: [['', 'shortstr']] },
  'basic.ack': { id: [60, 80], args: [TAG, ['multiple', 'bit']] },
  'basic.reject': { id: [60, 90], args: [TAG, ['requeue', 'bit']] },
  'basic.recover-async': { id: [60, 100], args: [['requeue', 'bit']] },
  'basic.recover': { id: [60, 110], args: [['requeue', 'bit']] },
  'basic.recover-ok': { id: [60, 111], args: [] },
  'basic.nack': {
    id: [60, 120],
    args: [TAG, ['multiple', 'bit'], ['requeue', 'bit']],
  },
  'confirm.select': { id: [85, 10], args: [NO_WAIT] },
  'confirm.select-ok': { id: [85, 11], args: [] },
  'tx.select': { id: [90, 10], args: [] },
  'tx.select-ok': { id: [90, 11], args: [] },
  'tx.commit': { id: [90, 20], args: [] },
  'tx.commit-ok': { id: [90, 21], args: [] },
  'tx.rollback': { id: [90, 30], args: [] },
  'tx.rollback-ok': { id: [90, 31], args: [] },
} as const satisfies Record<string, Shape>;

export type MethodName = keyof typeof METHODS;

type ArgumentsOf<N extends MethodName> = {
  readonly [A in (typeof METHODS)[N]['args'][number] as A[0] extends '' ? never : A[0]]: ArgumentTypes[A[1]];
};

export type MethodOf<N extends MethodName> = { readonly name: N } & ArgumentsOf<N>;
export type Method = { [N in MethodName]: MethodOf<N> }[MethodName];

/** Properties of a content header, by the standard's names. `timestamp` is seconds since 1970. */
export interface BasicProperties {
  contentType?: string;
  contentEncoding?: string;
  headers?: Table;
  deliveryMode?: number;
  priority?: number;
  correlationId?: string | Uint8Array;
  replyTo?: string;
  expiration?: string;
  messageId?: string | Uint8Array;
  timestamp?: number;
  type?: string;
  userId?: string;
  appId?: string;
  clusterId?: string;
}

/** In the order of their flags, from bit 15 down. [AMQP091-4.2.6.1] */
export const PROPERTIES = [
  ['contentType', 'shortstr'],
  ['contentEncoding', 'shortstr'],
  ['headers', 'table'],
  ['deliveryMode', 'octet'],
  ['priority', 'octet'],
  ['correlationId', 'id'],
  ['replyTo', 'shortstr'],
  ['expiration', 'shortstr'],
  ['messageId', 'id'],
  ['timestamp', 'longlong'],
  ['type', 'shortstr'],
  ['userId', 'shortstr'],
  ['appId', 'shortstr'],
  ['clusterId', 'shortstr'],
] as const satisfies readonly (readonly [keyof BasicProperties, ArgumentType])[];

export interface ContentHeader {
  readonly bodySize: number;
  readonly properties: BasicProperties;
}
