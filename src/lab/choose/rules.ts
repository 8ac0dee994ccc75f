// What speaks for and against a variant besides its figures: data, each with its reason and its source.

import type { Variant } from '../variant.ts';

/** Which variants a rule is about: all that is said must hold. */
export interface Selector {
  readonly family?: readonly Variant['family'][];
  readonly id?: readonly string[];
  readonly qos?: readonly number[];
  readonly transport?: Variant['transport'];
  /** True: with TLS or DTLS. */
  readonly secure?: boolean;
  readonly webSocket?: boolean;
  /** All but those. */
  readonly not?: Selector;
}

export interface Rule {
  readonly id: string;
  /** The answers that it needs: for each question one of these. */
  readonly when: Readonly<Record<string, readonly string[]>>;
  readonly about: Selector;
  /** Out of the question; or so many points, of which one is worth as much as the best figures of all. */
  readonly effect: 'excludes' | number;
  readonly because: string;
  readonly source: string;
}

export function selects(s: Selector, v: Variant): boolean {
  if (s.family !== undefined && !s.family.includes(v.family)) return false;
  if (s.id !== undefined && !s.id.some((id) => v.id === id || v.id.startsWith(`${id}-`))) return false;
  if (s.qos !== undefined && !s.qos.includes(v.qos)) return false;
  if (s.transport !== undefined && v.transport !== s.transport) return false;
  if (s.secure !== undefined && (v.security !== 'none') !== s.secure) return false;
  if (s.webSocket !== undefined && (v.webSocketPath !== undefined) !== s.webSocket) return false;
  return s.not === undefined || !selects(s.not, v);
}

export const RULES: readonly Rule[] = [
  {
    id: 'security-yes',
    when: { security: ['yes'] },
    about: { secure: false },
    effect: 'excludes',
    because: 'it is not encrypted',
    source: 'the answer to security',
  },
  {
    id: 'security-no',
    when: { security: ['no'] },
    about: { secure: true },
    effect: 'excludes',
    because: 'encryption is not wanted',
    source: 'the answer to security',
  },
  {
    id: 'polling',
    when: {},
    about: { id: ['coap-poll10', 'coap-poll60'] },
    effect: 'excludes',
    because: 'observing tells sooner, and costs less unless values change more often than anybody asks',
    source: 'RFC 7641, section 1',
  },
  {
    id: 'at-least-once',
    when: { delivery: ['at-least-once'] },
    about: { qos: [0] },
    effect: 'excludes',
    because: 'it may lose messages',
    source: 'MQTT 5.0, section 4.3.1; RFC 7252, section 4.3',
  },
  {
    id: 'at-least-once-is-enough',
    when: { delivery: ['at-least-once', 'best-effort'] },
    about: { qos: [2] },
    effect: -0.3,
    because: 'exactly once costs a second round trip that nobody asked for',
    source: 'MQTT 5.0, section 4.3.3',
  },
  {
    id: 'exactly-once',
    when: { delivery: ['exactly-once'] },
    about: { not: { qos: [2] } },
    effect: 'excludes',
    because: 'it may deliver twice, or not at all',
    source: 'MQTT 5.0, section 4.3; AMQP 1.0, section 2.6.12',
  },
  {
    id: 'best-effort',
    when: { delivery: ['best-effort'] },
    about: { qos: [0] },
    effect: 0.1,
    because: 'no acknowledgements are waited for',
    source: 'the answer to delivery',
  },
  {
    id: 'restful',
    when: { restful: ['yes'] },
    about: { not: { family: ['coap', 'http'] } },
    effect: 'excludes',
    because: 'it has no resources and methods',
    source: 'RFC 7252, section 5; RFC 9110, section 9',
  },
  {
    id: 'requests',
    when: { model: ['requests'] },
    about: { family: ['coap', 'http'] },
    effect: 0.2,
    because: 'every message is a request with an answer',
    source: 'RFC 7252, section 5; RFC 9110, section 3',
  },
  {
    id: 'requests-mqtt5',
    when: { model: ['requests'] },
    about: { id: ['mqtt5'] },
    effect: 0.1,
    because: 'it has response topics and correlation data',
    source: 'MQTT 5.0, section 4.10',
  },
  {
    id: 'telemetry',
    when: { model: ['telemetry', 'commands'] },
    about: { family: ['mqtt', 'mqttsn'] },
    effect: 0.15,
    because: 'publish and subscribe, last values and wills are what it was made for',
    source: 'MQTT 5.0, abstract and sections 3.1.2.5 and 3.3.1.3',
  },
  {
    id: 'commands-http',
    when: { model: ['commands'] },
    about: { family: ['http'] },
    effect: -0.3,
    because: 'a server cannot call a client: the device polls, or holds a stream of events open',
    source: 'RFC 6202, section 2; Azure IoT Hub, choosing a protocol: HTTPS has no efficient server push',
  },
  {
    id: 'work',
    when: { model: ['work'] },
    about: { family: ['amqp', 'stomp'] },
    effect: 0.4,
    because: 'queues with competing consumers, redelivery and dead letters are its own',
    source: 'AMQP 0-9-1, section 3.1; AMQP 1.0, section 3.4',
  },
  {
    id: 'work-mqtt5',
    when: { model: ['work'] },
    about: { id: ['mqtt5'] },
    effect: 0.1,
    because: 'shared subscriptions spread the load, without giving a task back',
    source: 'MQTT 5.0, section 4.8.2',
  },
  {
    id: 'work-none',
    when: { model: ['work'] },
    about: { id: ['coap', 'mqttsn', 'mqtt311', 'http', 'http-close', 'ws', 'xmpp'] },
    effect: -0.3,
    because: 'it gives every subscriber every message: no task goes to one of several workers',
    source:
      'MQTT 3.1.1, section 3.3.5; MQTT-SN 1.2, section 6.10; RFC 7641, section 1.2; RFC 9110, section 3; XEP-0060, section 7.1.2',
  },
  {
    id: 'chat',
    when: { model: ['chat'] },
    about: { family: ['xmpp'] },
    effect: 0.5,
    because: 'addresses, presence and offline messages are its own',
    source: 'RFC 6121, sections 4, 5 and 8',
  },
  {
    id: 'chat-none',
    when: { model: ['chat'] },
    about: { family: ['coap', 'http', 'websocket', 'amqp', 'stomp'] },
    effect: -0.4,
    because: 'it has neither presence nor a word for who went away',
    source:
      'RFC 7252, RFC 9110, AMQP 1.0 and STOMP 1.2 have no such thing; MQTT 5.0, section 3.1.2.5, has wills',
  },
  {
    id: 'class1-udp',
    when: { device: ['class1'] },
    about: { transport: 'tcp', not: { family: ['mqtt'], webSocket: false } },
    effect: 'excludes',
    because: 'about 10 kB of RAM do not hold TCP, TLS and this on top',
    source: 'RFC 7228, section 3; RFC 9006, section 4.3',
  },
  {
    id: 'class1-tcp',
    when: { device: ['class1'] },
    about: { transport: 'tcp' },
    effect: -0.4,
    because: 'TCP buffers weigh on about 10 kB of RAM',
    source: 'RFC 7228, section 3; RFC 9006, section 4.3',
  },
  {
    id: 'constrained-heavy',
    when: { device: ['class1', 'class2'] },
    about: { family: ['amqp', 'xmpp'] },
    effect: -0.5,
    because: 'its libraries are large for a microcontroller',
    source: 'Azure IoT Hub, choosing a protocol: MQTT and HTTP libraries are smaller than AMQP ones',
  },
  {
    id: 'browser',
    when: { browser: ['yes'] },
    about: { not: { webSocket: true } },
    effect: -0.4,
    because: 'a browser reaches it only through a bridge: its scripts have HTTP and WebSocket alone',
    source: 'WHATWG Fetch and WebSockets standards',
  },
  {
    id: 'web-only-udp',
    when: { nat: ['web-only'] },
    about: { transport: 'udp' },
    effect: 'excludes',
    because: 'UDP does not get out',
    source: 'the answer to nat',
  },
  {
    id: 'web-only-ports',
    when: { nat: ['web-only'] },
    about: { transport: 'tcp', not: { webSocket: true }, family: ['coap', 'amqp', 'stomp', 'xmpp'] },
    effect: 'excludes',
    because: 'its port is closed, and it is not on WebSocket here',
    source: 'the answer to nat',
  },
  {
    id: 'web-only-mqtt',
    when: { nat: ['web-only'] },
    about: { family: ['mqtt'], webSocket: false },
    effect: -0.2,
    because: 'it needs port 443 with ALPN, which not every broker offers',
    source: 'AWS IoT Core, device communication protocols: port 443 with ALPN x-amzn-mqtt-ca',
  },
  {
    id: 'nat-udp',
    when: { nat: ['yes'], model: ['commands'] },
    about: { transport: 'udp' },
    effect: -0.15,
    because: 'NATs forget UDP after minutes: the device must speak up more often to be reached',
    source: 'RFC 4787, REQ-5 (2 minutes) beside RFC 5382, REQ-5 (2 hours 4 minutes)',
  },
  {
    id: 'aws-protocols',
    when: { cloud: ['aws'] },
    about: { not: { family: ['mqtt', 'http'] } },
    effect: 'excludes',
    because: 'AWS IoT Core does not speak it',
    source: 'AWS IoT Core developer guide, device communication protocols: MQTT, MQTT over WSS, HTTPS',
  },
  {
    id: 'aws-qos2',
    when: { cloud: ['aws'] },
    about: { qos: [2] },
    effect: 'excludes',
    because: 'AWS IoT Core has no QoS 2',
    source:
      'AWS IoT Core developer guide, MQTT: "supports MQTT Quality of Service (QoS) levels 0 and 1 only"',
  },
  {
    id: 'azure-protocols',
    when: { cloud: ['azure'] },
    about: { not: { family: ['mqtt', 'amqp', 'http'] } },
    effect: 'excludes',
    because: 'Azure IoT Hub does not speak it',
    source: 'Azure IoT Hub, choosing a protocol: MQTT, AMQP, both over WebSockets, HTTPS',
  },
  {
    id: 'azure-amqp091',
    when: { cloud: ['azure'] },
    about: { id: ['amqp091'] },
    effect: 'excludes',
    because: 'Azure speaks AMQP 1.0, which is another protocol',
    source: 'Azure Service Bus and IoT Hub, AMQP 1.0 protocol guide',
  },
  {
    id: 'azure-amqp',
    when: { cloud: ['azure'], device: ['linux', 'server'] },
    about: { id: ['amqp1'] },
    effect: 0.3,
    because: 'a gateway carries many devices over one connection',
    source:
      'Azure IoT Hub, choosing a protocol: "field and cloud gateways … connection multiplexing across devices"',
  },
  {
    id: 'azure-qos2',
    when: { cloud: ['azure'] },
    about: { qos: [2] },
    effect: 'excludes',
    because: 'Azure IoT Hub closes connections that publish with QoS 2',
    source: 'Azure IoT Hub, communicate using MQTT: QoS 2 is not supported',
  },
  {
    id: 'rabbitmq',
    when: { backend: ['rabbitmq'] },
    about: { family: ['amqp'] },
    effect: 0.3,
    because: 'it is what the broker there speaks at heart',
    source: 'RabbitMQ, which protocols does RabbitMQ support: AMQP 0-9-1 and 1.0 are its core protocols',
  },
  {
    id: 'rabbitmq-none',
    when: { backend: ['rabbitmq'] },
    about: { family: ['coap', 'mqttsn', 'xmpp', 'websocket'] },
    effect: -0.2,
    because: 'RabbitMQ does not speak it: this hub stands in between',
    source: 'RabbitMQ, which protocols does RabbitMQ support',
  },
  {
    id: 'jms',
    when: { backend: ['jms'] },
    about: { family: ['amqp', 'stomp'] },
    effect: 0.3,
    because: 'JMS brokers speak AMQP 1.0 and STOMP',
    source: 'ActiveMQ Artemis manual, protocols and interoperability',
  },
  {
    id: 'http-backend',
    when: { backend: ['http'] },
    about: { family: ['http', 'coap'] },
    effect: 0.15,
    because: 'it maps to the services there without a broker',
    source: 'RFC 8075: mapping HTTP to CoAP',
  },
  {
    id: 'xmpp-backend',
    when: { backend: ['xmpp'] },
    about: { family: ['xmpp'] },
    effect: 0.5,
    because: 'it is what is there',
    source: 'the answer to backend',
  },
];
