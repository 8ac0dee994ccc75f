// Performatives, SASL frames, termini and delivery states as values, and the one table that they are read and written by.

import type { AmqpError } from './fault.ts';
import type { AmqpMap, AmqpValue } from './types.ts';

/** How a field of a composite is written. `state`, `terminus` and `error` are composites themselves, `any` is a value of any type. */
export type FieldKind =
  | 'boolean'
  | 'ubyte'
  | 'ushort'
  | 'uint'
  | 'ulong'
  | 'string'
  | 'symbol'
  | 'symbols'
  | 'binary'
  | 'timestamp'
  | 'map'
  | 'any'
  | 'address'
  | 'id'
  | 'state'
  | 'terminus'
  | 'error';

export interface Composite {
  readonly code: number;
  readonly name: string;
  readonly fields: readonly (readonly [name: string, kind: FieldKind, mandatory?: true])[];
}

export const OPEN = 0x10;
export const BEGIN = 0x11;
export const ATTACH = 0x12;
export const FLOW = 0x13;
export const TRANSFER = 0x14;
export const DISPOSITION = 0x15;
export const DETACH = 0x16;
export const END = 0x17;
export const CLOSE = 0x18;
export const ERROR = 0x1d;
export const RECEIVED = 0x23;
export const ACCEPTED = 0x24;
export const REJECTED = 0x25;
export const RELEASED = 0x26;
export const MODIFIED = 0x27;
export const SOURCE = 0x28;
export const TARGET = 0x29;
export const COORDINATOR = 0x30;
export const DECLARE = 0x31;
export const DISCHARGE = 0x32;
export const DECLARED = 0x33;
export const TRANSACTIONAL = 0x34;
export const SASL_MECHANISMS = 0x40;
export const SASL_INIT = 0x41;
export const SASL_CHALLENGE = 0x42;
export const SASL_RESPONSE = 0x43;
export const SASL_OUTCOME = 0x44;
export const HEADER = 0x70;
export const DELIVERY_ANNOTATIONS = 0x71;
export const MESSAGE_ANNOTATIONS = 0x72;
export const PROPERTIES = 0x73;
export const APPLICATION_PROPERTIES = 0x74;
export const DATA = 0x75;
export const SEQUENCE = 0x76;
export const VALUE = 0x77;
export const FOOTER = 0x78;

const TERMINUS_HEAD: Composite['fields'] = [
  ['address', 'address'],
  ['durable', 'uint'],
  ['expiryPolicy', 'symbol'],
  ['timeout', 'uint'],
  ['dynamic', 'boolean'],
  ['dynamicNodeProperties', 'map'],
];

/** Fields in the order of the wire, called as in the standard. [AMQP1-2.7, 2.8.14, 3.2, 3.4, 3.5, 4.5, 5.3.3] */
export const COMPOSITES: readonly Composite[] = [
  {
    code: OPEN,
    name: 'amqp:open:list',
    fields: [
      ['containerId', 'string', true],
      ['hostname', 'string'],
      ['maxFrameSize', 'uint'],
      ['channelMax', 'ushort'],
      ['idleTimeOut', 'uint'],
      ['outgoingLocales', 'symbols'],
      ['incomingLocales', 'symbols'],
      ['offeredCapabilities', 'symbols'],
      ['desiredCapabilities', 'symbols'],
      ['properties', 'map'],
    ],
  },
  {
    code: BEGIN,
    name: 'amqp:begin:list',
    fields: [
      ['remoteChannel', 'ushort'],
      ['nextOutgoingId', 'uint', true],
      ['incomingWindow', 'uint', true],
      ['outgoingWindow', 'uint', true],
      ['handleMax', 'uint'],
      ['offeredCapabilities', 'symbols'],
      ['desiredCapabilities', 'symbols'],
      ['properties', 'map'],
    ],
  },
  {
    code: ATTACH,
    name: 'amqp:attach:list',
    fields: [
      ['name', 'string', true],
      ['handle', 'uint', true],
      ['role', 'boolean', true],
      ['sndSettleMode', 'ubyte'],
      ['rcvSettleMode', 'ubyte'],
      ['source', 'terminus'],
      ['target', 'terminus'],
      ['unsettled', 'map'],
      ['incompleteUnsettled', 'boolean'],
      ['initialDeliveryCount', 'uint'],
      ['maxMessageSize', 'ulong'],
      ['offeredCapabilities', 'symbols'],
      ['desiredCapabilities', 'symbols'],
      ['properties', 'map'],
    ],
  },
  {
    code: FLOW,
    name: 'amqp:flow:list',
    fields: [
      ['nextIncomingId', 'uint'],
      ['incomingWindow', 'uint', true],
      ['nextOutgoingId', 'uint', true],
      ['outgoingWindow', 'uint', true],
      ['handle', 'uint'],
      ['deliveryCount', 'uint'],
      ['linkCredit', 'uint'],
      ['available', 'uint'],
      ['drain', 'boolean'],
      ['echo', 'boolean'],
      ['properties', 'map'],
    ],
  },
  {
    code: TRANSFER,
    name: 'amqp:transfer:list',
    fields: [
      ['handle', 'uint', true],
      ['deliveryId', 'uint'],
      ['deliveryTag', 'binary'],
      ['messageFormat', 'uint'],
      ['settled', 'boolean'],
      ['more', 'boolean'],
      ['rcvSettleMode', 'ubyte'],
      ['state', 'state'],
      ['resume', 'boolean'],
      ['aborted', 'boolean'],
      ['batchable', 'boolean'],
    ],
  },
  {
    code: DISPOSITION,
    name: 'amqp:disposition:list',
    fields: [
      ['role', 'boolean', true],
      ['first', 'uint', true],
      ['last', 'uint'],
      ['settled', 'boolean'],
      ['state', 'state'],
      ['batchable', 'boolean'],
    ],
  },
  {
    code: DETACH,
    name: 'amqp:detach:list',
    fields: [
      ['handle', 'uint', true],
      ['closed', 'boolean'],
      ['error', 'error'],
    ],
  },
  { code: END, name: 'amqp:end:list', fields: [['error', 'error']] },
  { code: CLOSE, name: 'amqp:close:list', fields: [['error', 'error']] },
  {
    code: ERROR,
    name: 'amqp:error:list',
    fields: [
      ['condition', 'symbol', true],
      ['description', 'string'],
      ['info', 'map'],
    ],
  },
  {
    code: RECEIVED,
    name: 'amqp:received:list',
    fields: [
      ['sectionNumber', 'uint', true],
      ['sectionOffset', 'ulong', true],
    ],
  },
  { code: ACCEPTED, name: 'amqp:accepted:list', fields: [] },
  { code: REJECTED, name: 'amqp:rejected:list', fields: [['error', 'error']] },
  { code: RELEASED, name: 'amqp:released:list', fields: [] },
  {
    code: MODIFIED,
    name: 'amqp:modified:list',
    fields: [
      ['deliveryFailed', 'boolean'],
      ['undeliverableHere', 'boolean'],
      ['messageAnnotations', 'map'],
    ],
  },
  {
    code: SOURCE,
    name: 'amqp:source:list',
    fields: [
      ...TERMINUS_HEAD,
      ['distributionMode', 'symbol'],
      ['filter', 'map'],
      ['defaultOutcome', 'state'],
      ['outcomes', 'symbols'],
      ['capabilities', 'symbols'],
    ],
  },
  { code: TARGET, name: 'amqp:target:list', fields: [...TERMINUS_HEAD, ['capabilities', 'symbols']] },
  { code: COORDINATOR, name: 'amqp:coordinator:list', fields: [['capabilities', 'symbols']] },
  { code: DECLARE, name: 'amqp:declare:list', fields: [['globalId', 'any']] },
  {
    code: DISCHARGE,
    name: 'amqp:discharge:list',
    fields: [
      ['txnId', 'binary', true],
      ['fail', 'boolean'],
    ],
  },
  { code: DECLARED, name: 'amqp:declared:list', fields: [['txnId', 'binary', true]] },
  {
    code: TRANSACTIONAL,
    name: 'amqp:transactional-state:list',
    fields: [
      ['txnId', 'binary', true],
      ['outcome', 'state'],
    ],
  },
  {
    code: SASL_MECHANISMS,
    name: 'amqp:sasl-mechanisms:list',
    fields: [['mechanisms', 'symbols', true]],
  },
  {
    code: SASL_INIT,
    name: 'amqp:sasl-init:list',
    fields: [
      ['mechanism', 'symbol', true],
      ['initialResponse', 'binary'],
      ['hostname', 'string'],
    ],
  },
  { code: SASL_CHALLENGE, name: 'amqp:sasl-challenge:list', fields: [['challenge', 'binary', true]] },
  { code: SASL_RESPONSE, name: 'amqp:sasl-response:list', fields: [['response', 'binary', true]] },
  {
    code: SASL_OUTCOME,
    name: 'amqp:sasl-outcome:list',
    fields: [
      ['outcome', 'ubyte', true],
      ['additionalData', 'binary'],
    ],
  },
  {
    code: HEADER,
    name: 'amqp:header:list',
    fields: [
      ['durable', 'boolean'],
      ['priority', 'ubyte'],
      ['ttl', 'uint'],
      ['firstAcquirer', 'boolean'],
      ['deliveryCount', 'uint'],
    ],
  },
  {
    code: PROPERTIES,
    name: 'amqp:properties:list',
    fields: [
      ['messageId', 'id'],
      ['userId', 'binary'],
      ['to', 'address'],
      ['subject', 'string'],
      ['replyTo', 'address'],
      ['correlationId', 'id'],
      ['contentType', 'symbol'],
      ['contentEncoding', 'symbol'],
      ['absoluteExpiryTime', 'timestamp'],
      ['creationTime', 'timestamp'],
      ['groupId', 'string'],
      ['groupSequence', 'uint'],
      ['replyToGroupId', 'string'],
    ],
  },
];

/** Descriptors that came as symbols. */
export const CODE_OF_NAME: ReadonlyMap<string, number> = new Map([
  ...COMPOSITES.map(({ name, code }) => [name, code] as const),
  ['amqp:delivery-annotations:map', DELIVERY_ANNOTATIONS],
  ['amqp:message-annotations:map', MESSAGE_ANNOTATIONS],
  ['amqp:application-properties:map', APPLICATION_PROPERTIES],
  ['amqp:data:binary', DATA],
  ['amqp:amqp-sequence:list', SEQUENCE],
  ['amqp:amqp-value:*', VALUE],
  ['amqp:footer:map', FOOTER],
]);

/** `false` is the sender's role, `true` the receiver's. */
export const SENDER = false;
export const RECEIVER = true;

export const SND_UNSETTLED = 0;
export const SND_SETTLED = 1;
export const SND_MIXED = 2;
export const RCV_FIRST = 0;
export const RCV_SECOND = 1;

export interface DeliveryState {
  readonly kind: number;
  readonly error?: AmqpError;
  readonly deliveryFailed?: boolean;
  readonly undeliverableHere?: boolean;
  readonly sectionNumber?: number;
  readonly sectionOffset?: bigint;
  readonly txnId?: Uint8Array;
  /** Of a transactional state. */
  readonly outcome?: DeliveryState;
}

export interface Terminus {
  /** SOURCE, TARGET or COORDINATOR. */
  readonly kind: number;
  readonly address?: string;
  readonly durable?: number;
  readonly expiryPolicy?: string;
  /** Seconds. */
  readonly timeout?: number;
  readonly dynamic?: boolean;
  readonly dynamicNodeProperties?: AmqpMap;
  readonly distributionMode?: string;
  readonly filter?: AmqpMap;
  readonly defaultOutcome?: DeliveryState;
  readonly outcomes?: readonly string[];
  readonly capabilities?: readonly string[];
}

interface Offering {
  readonly offeredCapabilities?: readonly string[];
  readonly desiredCapabilities?: readonly string[];
  readonly properties?: AmqpMap;
}

export interface Open extends Offering {
  readonly kind: typeof OPEN;
  readonly containerId: string;
  readonly hostname?: string;
  readonly maxFrameSize?: number;
  readonly channelMax?: number;
  readonly idleTimeOut?: number;
}

export interface Begin extends Offering {
  readonly kind: typeof BEGIN;
  readonly remoteChannel?: number;
  readonly nextOutgoingId: number;
  readonly incomingWindow: number;
  readonly outgoingWindow: number;
  readonly handleMax?: number;
}

export interface Attach extends Offering {
  readonly kind: typeof ATTACH;
  readonly name: string;
  readonly handle: number;
  readonly role: boolean;
  readonly sndSettleMode?: number;
  readonly rcvSettleMode?: number;
  readonly source?: Terminus;
  readonly target?: Terminus;
  readonly unsettled?: AmqpMap;
  readonly incompleteUnsettled?: boolean;
  readonly initialDeliveryCount?: number;
  readonly maxMessageSize?: bigint;
}

export interface Flow {
  readonly kind: typeof FLOW;
  readonly nextIncomingId?: number;
  readonly incomingWindow: number;
  readonly nextOutgoingId: number;
  readonly outgoingWindow: number;
  readonly handle?: number;
  readonly deliveryCount?: number;
  readonly linkCredit?: number;
  readonly available?: number;
  readonly drain?: boolean;
  readonly echo?: boolean;
}

export interface Transfer {
  readonly kind: typeof TRANSFER;
  readonly handle: number;
  readonly deliveryId?: number;
  readonly deliveryTag?: Uint8Array;
  readonly messageFormat?: number;
  readonly settled?: boolean;
  readonly more?: boolean;
  readonly rcvSettleMode?: number;
  readonly state?: DeliveryState;
  readonly resume?: boolean;
  readonly aborted?: boolean;
}

export interface Disposition {
  readonly kind: typeof DISPOSITION;
  readonly role: boolean;
  readonly first: number;
  readonly last?: number;
  readonly settled?: boolean;
  readonly state?: DeliveryState;
}

export interface Detach {
  readonly kind: typeof DETACH;
  readonly handle: number;
  readonly closed?: boolean;
  readonly error?: AmqpError;
}

export interface End {
  readonly kind: typeof END;
  readonly error?: AmqpError;
}

export interface Close {
  readonly kind: typeof CLOSE;
  readonly error?: AmqpError;
}

export type Performative = Open | Begin | Attach | Flow | Transfer | Disposition | Detach | End | Close;

export type SaslFrame =
  | { readonly kind: typeof SASL_MECHANISMS; readonly mechanisms: readonly string[] }
  | {
      readonly kind: typeof SASL_INIT;
      readonly mechanism: string;
      readonly initialResponse?: Uint8Array;
      readonly hostname?: string;
    }
  | { readonly kind: typeof SASL_CHALLENGE; readonly challenge: Uint8Array }
  | { readonly kind: typeof SASL_RESPONSE; readonly response: Uint8Array }
  | { readonly kind: typeof SASL_OUTCOME; readonly outcome: number; readonly additionalData?: Uint8Array };

/** The header section. [AMQP1-3.2.1] */
export interface Header {
  readonly durable?: boolean;
  readonly priority?: number;
  readonly ttl?: number;
  readonly firstAcquirer?: boolean;
  readonly deliveryCount?: number;
}

/** The properties section; times in ms since 1970. [AMQP1-3.2.4] */
export interface Properties {
  readonly messageId?: AmqpValue;
  readonly userId?: Uint8Array;
  readonly to?: string;
  readonly subject?: string;
  readonly replyTo?: string;
  readonly correlationId?: AmqpValue;
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly absoluteExpiryTime?: number;
  readonly creationTime?: number;
  readonly groupId?: string;
  readonly groupSequence?: number;
  readonly replyToGroupId?: string;
}
