// What the page says to a connection, and hears from it, whichever protocol it speaks.

import type { Opened } from '../../../src/contract/speaker.ts';

export type Dialect = 'mqtt5' | 'mqtt311' | 'coap' | 'waymeet' | 'http';

export const DIALECTS: Readonly<Record<Dialect, string>> = {
  mqtt5: 'MQTT 5',
  mqtt311: 'MQTT 3.1.1',
  coap: 'CoAP',
  waymeet: 'waymeet.v1',
  http: 'HTTP + SSE',
};

export type Qos = 0 | 1 | 2;

export type Pairs = readonly (readonly [name: string, value: string])[];

export interface WillOptions {
  readonly topic: string;
  readonly payload: string;
  readonly qos: Qos;
  readonly retain: boolean;
  /** Seconds that the hub waits before it publishes the will. */
  readonly delaySeconds: number;
  /** Seconds; 0: never. */
  readonly expirySeconds: number;
  readonly contentType: string;
  readonly responseTopic: string;
  readonly correlation: string;
  readonly user: Pairs;
}

/** Numbers are 0 where nothing is said. */
export interface LinkOptions {
  readonly dialect: Dialect;
  readonly clientId: string;
  readonly username: string;
  readonly password: string;
  readonly clean: boolean;
  /** How long the session outlives the connection, seconds. */
  readonly expirySeconds: number;
  readonly keepAliveSeconds: number;
  readonly receiveMaximum: number;
  readonly maximumPacketBytes: number;
  readonly topicAliasMaximum: number;
  /** Properties of CONNECT. */
  readonly user: Pairs;
  readonly will: WillOptions | undefined;
}

/** Options for who has nothing to say. */
export const PLAIN_OPTIONS: LinkOptions = {
  dialect: 'mqtt5',
  clientId: '',
  username: '',
  password: '',
  clean: true,
  expirySeconds: 0,
  keepAliveSeconds: 30,
  receiveMaximum: 0,
  maximumPacketBytes: 0,
  topicAliasMaximum: 0,
  user: [],
  will: undefined,
};

export interface SubscribeOptions {
  readonly qos: Qos;
  /** What this connection publishes does not come back. */
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** 0 send retained messages, 1 only for a new subscription, 2 never. */
  readonly retainHandling: 0 | 1 | 2;
  /** 0: none. */
  readonly identifier: number;
}

export const PLAIN_SUBSCRIPTION: SubscribeOptions = {
  qos: 0,
  noLocal: false,
  retainAsPublished: true,
  retainHandling: 0,
  identifier: 0,
};

export interface Outgoing {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly contentType: string;
  readonly responseTopic: string;
  readonly correlation: string;
  /** Seconds; 0: never. */
  readonly expirySeconds: number;
  /** The payload is promised to be UTF-8 (MQTT 5: Payload Format Indicator). */
  readonly text: boolean;
  readonly user: Pairs;
}

export interface Arrived {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: number;
  readonly retain: boolean;
  readonly properties: Pairs;
  readonly contentType: string | undefined;
  /** The packet as it came: octets, or the text of a JSON frame or event. */
  readonly raw: Uint8Array | string;
}

/** One packet on the wire. */
export type Raw = Uint8Array | string;

export interface LinkEvents {
  /** Logged in, for the first time or again. */
  up(opened: Opened): void;
  /** Not connected, and why in a sentence: it is tried again. */
  away(why: string): void;
  /** Over for good. */
  down(why: string): void;
  /** `filter`: the subscription that it came by. `again`: the same packet was told for another one. */
  message(m: Arrived, filter: string | undefined, again: boolean): void;
  /** The hub took a subscription back. */
  refused(filter: string, why: string): void;
  /** Every packet, both ways, messages included. Absent: nobody looks, and messages come without theirs. */
  packet?(direction: 'in' | 'out', raw: Raw): void;
}
