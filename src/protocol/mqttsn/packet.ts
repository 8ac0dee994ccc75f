// The messages of MQTT-SN 1.2 as both sides speak them, with the numbers that the specification gives.

export const ADVERTISE = 0x00;
export const SEARCHGW = 0x01;
export const GWINFO = 0x02;
export const CONNECT = 0x04;
export const CONNACK = 0x05;
export const WILLTOPICREQ = 0x06;
export const WILLTOPIC = 0x07;
export const WILLMSGREQ = 0x08;
export const WILLMSG = 0x09;
export const REGISTER = 0x0a;
export const REGACK = 0x0b;
export const PUBLISH = 0x0c;
export const PUBACK = 0x0d;
export const PUBCOMP = 0x0e;
export const PUBREC = 0x0f;
export const PUBREL = 0x10;
export const SUBSCRIBE = 0x12;
export const SUBACK = 0x13;
export const UNSUBSCRIBE = 0x14;
export const UNSUBACK = 0x15;
export const PINGREQ = 0x16;
export const PINGRESP = 0x17;
export const DISCONNECT = 0x18;
export const WILLTOPICUPD = 0x1a;
export const WILLTOPICRESP = 0x1b;
export const WILLMSGUPD = 0x1c;
export const WILLMSGRESP = 0x1d;
/** Around another message, by a forwarder [MQTTSN12-5.5]. */
export const ENCAPSULATED = 0xfe;

/** Return codes [MQTTSN12-5.3.10]. */
export const ACCEPTED = 0x00;
export const CONGESTION = 0x01;
export const INVALID_TOPIC_ID = 0x02;
export const NOT_SUPPORTED = 0x03;

/** The only value of ProtocolId [MQTTSN12-5.3.8]. */
export const PROTOCOL_ID = 0x01;

/** −1: published without a connection. */
export type SnQos = -1 | 0 | 1 | 2;

/** A topic by name; by an id that was registered; by one that both sides know beforehand; or by two characters in place of an id. */
export type TopicRef =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'normal' | 'predefined'; readonly id: number }
  | { readonly kind: 'short'; readonly name: string };

/** A topic in a PUBLISH, where no name fits. */
export type TopicId = Exclude<TopicRef, { readonly kind: 'name' }>;

export interface Advertise {
  readonly type: typeof ADVERTISE;
  readonly gateway: number;
  /** Seconds until the next one. */
  readonly duration: number;
}

export interface SearchGateway {
  readonly type: typeof SEARCHGW;
  readonly radius: number;
}

export interface GatewayInfo {
  readonly type: typeof GWINFO;
  readonly gateway: number;
  /** Empty when the gateway itself says it. */
  readonly address: Uint8Array;
}

export interface Connect {
  readonly type: typeof CONNECT;
  readonly will: boolean;
  readonly clean: boolean;
  readonly protocolId: number;
  /** Keep alive, seconds. */
  readonly duration: number;
  readonly clientId: string;
}

/** CONNACK, WILLTOPICRESP and WILLMSGRESP: a return code, nothing else. */
export interface Verdict {
  readonly type: typeof CONNACK | typeof WILLTOPICRESP | typeof WILLMSGRESP;
  readonly code: number;
}

/** WILLTOPICREQ, WILLMSGREQ and PINGRESP. */
export interface Bare {
  readonly type: typeof WILLTOPICREQ | typeof WILLMSGREQ | typeof PINGRESP;
}

/** WILLTOPIC and WILLTOPICUPD. An empty topic takes the will back [MQTTSN12-5.4.7, 6.4]. */
export interface WillTopic {
  readonly type: typeof WILLTOPIC | typeof WILLTOPICUPD;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly topic: string;
}

export interface WillMessage {
  readonly type: typeof WILLMSG | typeof WILLMSGUPD;
  readonly payload: Uint8Array;
}

export interface Register {
  readonly type: typeof REGISTER;
  /** 0 from a client. */
  readonly topicId: number;
  readonly id: number;
  readonly topic: string;
}

/** REGACK and PUBACK. */
export interface TopicAnswer {
  readonly type: typeof REGACK | typeof PUBACK;
  /** As in the message that it answers. */
  readonly topicId: number;
  readonly id: number;
  readonly code: number;
}

export interface Publish {
  readonly type: typeof PUBLISH;
  readonly dup: boolean;
  readonly qos: SnQos;
  readonly retain: boolean;
  readonly topic: TopicId;
  readonly id: number;
  readonly payload: Uint8Array;
}

/** PUBREC, PUBREL, PUBCOMP and UNSUBACK. */
export interface Handshake {
  readonly type: typeof PUBREC | typeof PUBREL | typeof PUBCOMP | typeof UNSUBACK;
  readonly id: number;
}

export interface Subscribe {
  readonly type: typeof SUBSCRIBE;
  readonly dup: boolean;
  readonly qos: SnQos;
  readonly id: number;
  readonly topic: TopicRef;
}

export interface Unsubscribe {
  readonly type: typeof UNSUBSCRIBE;
  readonly id: number;
  readonly topic: TopicRef;
}

export interface Suback {
  readonly type: typeof SUBACK;
  readonly qos: 0 | 1 | 2;
  readonly topicId: number;
  readonly id: number;
  readonly code: number;
}

export interface PingRequest {
  readonly type: typeof PINGREQ;
  /** Empty unless a sleeping client wakes up for its messages. */
  readonly clientId: string;
}

export interface Disconnect {
  readonly type: typeof DISCONNECT;
  /** Seconds that the client will sleep; 0: it leaves. */
  readonly duration: number;
}

export type SnPacket =
  | Advertise
  | SearchGateway
  | GatewayInfo
  | Connect
  | Verdict
  | Bare
  | WillTopic
  | WillMessage
  | Register
  | TopicAnswer
  | Publish
  | Handshake
  | Subscribe
  | Unsubscribe
  | Suback
  | PingRequest
  | Disconnect;

/** What a forwarder put around a message: which node behind it sent it. */
export interface Envelope {
  /** How far a broadcast goes, 0 to 3. */
  readonly radius: number;
  readonly node: Uint8Array;
  /** Where the message inside begins. */
  readonly inner: number;
}
