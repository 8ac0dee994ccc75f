// The control packets of MQTT 3.1, 3.1.1 and 5.0 as values.

import type { Qos } from '../../contract/message.ts';

/** The protocol level octet of CONNECT: 3 is MQTT 3.1 (MQIsdp), 4 is 3.1.1, 5 is 5.0. */
export type Level = 3 | 4 | 5;

export const CONNECT = 1;
export const CONNACK = 2;
export const PUBLISH = 3;
export const PUBACK = 4;
export const PUBREC = 5;
export const PUBREL = 6;
export const PUBCOMP = 7;
export const SUBSCRIBE = 8;
export const SUBACK = 9;
export const UNSUBSCRIBE = 10;
export const UNSUBACK = 11;
export const PINGREQ = 12;
export const PINGRESP = 13;
export const DISCONNECT = 14;
export const AUTH = 15;

/** The properties of MQTT 5 (2.2.2.2), by name. Times in seconds as on the wire; absent means not sent. */
export interface Properties {
  payloadFormatIndicator?: 0 | 1;
  messageExpiryInterval?: number;
  contentType?: string;
  responseTopic?: string;
  correlationData?: Uint8Array;
  /** Several in a PUBLISH from the server, one in a SUBSCRIBE. */
  subscriptionIdentifier?: readonly number[];
  sessionExpiryInterval?: number;
  assignedClientIdentifier?: string;
  serverKeepAlive?: number;
  authenticationMethod?: string;
  authenticationData?: Uint8Array;
  requestProblemInformation?: 0 | 1;
  willDelayInterval?: number;
  requestResponseInformation?: 0 | 1;
  responseInformation?: string;
  serverReference?: string;
  reasonString?: string;
  receiveMaximum?: number;
  topicAliasMaximum?: number;
  topicAlias?: number;
  maximumQos?: 0 | 1;
  retainAvailable?: 0 | 1;
  userProperty?: readonly (readonly [name: string, value: string])[];
  maximumPacketSize?: number;
  wildcardSubscriptionAvailable?: 0 | 1;
  subscriptionIdentifierAvailable?: 0 | 1;
  sharedSubscriptionAvailable?: 0 | 1;
}

export interface Will {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  /** willDelayInterval, payloadFormatIndicator, messageExpiryInterval, contentType, responseTopic, correlationData, userProperty */
  readonly properties: Properties;
}

export interface Connect {
  readonly type: typeof CONNECT;
  readonly level: Level;
  /** The bridge bit (0x80 of the level octet), which mosquitto's bridges set. */
  readonly bridge: boolean;
  /** Clean Session in 3.x, Clean Start in 5. */
  readonly clean: boolean;
  /** Seconds. */
  readonly keepAlive: number;
  readonly clientId: string;
  readonly will: Will | undefined;
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
  readonly properties: Properties;
}

export interface Connack {
  readonly type: typeof CONNACK;
  readonly sessionPresent: boolean;
  /** Return code in 3.x, reason code in 5. */
  readonly code: number;
  readonly properties: Properties;
}

export interface Publish {
  readonly type: typeof PUBLISH;
  readonly dup: boolean;
  readonly qos: Qos;
  readonly retain: boolean;
  /** Empty only where a topic alias stands for it. */
  readonly topic: string;
  /** 0 at QoS 0. */
  readonly id: number;
  readonly properties: Properties;
  readonly payload: Uint8Array;
}

export interface Acknowledgement {
  readonly type: typeof PUBACK | typeof PUBREC | typeof PUBREL | typeof PUBCOMP;
  readonly id: number;
  /** 0 where the packet leaves it out. */
  readonly code: number;
  readonly properties: Properties;
}

export interface SubscribeEntry {
  readonly filter: string;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** 0 send retained, 1 send if the subscription is new, 2 do not send. */
  readonly retainHandling: 0 | 1 | 2;
}

export interface Subscribe {
  readonly type: typeof SUBSCRIBE;
  readonly id: number;
  readonly entries: readonly SubscribeEntry[];
  readonly properties: Properties;
}

export interface Suback {
  readonly type: typeof SUBACK;
  readonly id: number;
  readonly codes: readonly number[];
  readonly properties: Properties;
}

export interface Unsubscribe {
  readonly type: typeof UNSUBSCRIBE;
  readonly id: number;
  readonly filters: readonly string[];
  readonly properties: Properties;
}

export interface Unsuback {
  readonly type: typeof UNSUBACK;
  readonly id: number;
  /** Empty in 3.x. */
  readonly codes: readonly number[];
  readonly properties: Properties;
}

export interface Ping {
  readonly type: typeof PINGREQ | typeof PINGRESP;
}

export interface Disconnect {
  readonly type: typeof DISCONNECT;
  readonly code: number;
  readonly properties: Properties;
}

export interface Auth {
  readonly type: typeof AUTH;
  readonly code: number;
  readonly properties: Properties;
}

export type Packet =
  | Connect
  | Connack
  | Publish
  | Acknowledgement
  | Subscribe
  | Suback
  | Unsubscribe
  | Unsuback
  | Ping
  | Disconnect
  | Auth;

/** Shared by packets that have none, so that most packets allocate no properties. */
export const NO_PROPERTIES: Properties = Object.freeze({});
