// The names that the standards give to the codes in `WaymeetError.status`: the entry `waymeet/client/reasons`, for who shows them.

/** Reason codes below 0x80 that a client meets [MQTT5-2.4]. */
const MQTT: Readonly<Record<number, string>> = {
  0: 'Normal disconnection',
  4: 'Disconnect with Will Message',
  16: 'No matching subscribers',
  17: 'No subscription existed',
};

/** From 0x80 on [MQTT5-2.4]. */
const MQTT_FAILURES: readonly string[] = [
  'Unspecified error',
  'Malformed Packet',
  'Protocol Error',
  'Implementation specific error',
  'Unsupported Protocol Version',
  'Client Identifier not valid',
  'Bad User Name or Password',
  'Not authorized',
  'Server unavailable',
  'Server busy',
  'Banned',
  'Server shutting down',
  'Bad authentication method',
  'Keep Alive timeout',
  'Session taken over',
  'Topic Filter invalid',
  'Topic Name invalid',
  'Packet Identifier in use',
  'Packet Identifier not found',
  'Receive Maximum exceeded',
  'Topic Alias invalid',
  'Packet too large',
  'Message rate too high',
  'Quota exceeded',
  'Administrative action',
  'Payload format invalid',
  'Retain not supported',
  'QoS not supported',
  'Use another server',
  'Server moved',
  'Shared Subscriptions not supported',
  'Connection rate exceeded',
  'Maximum connect time',
  'Subscription Identifiers not supported',
  'Wildcard Subscriptions not supported',
];

/** What a server before MQTT 5 answers to a login [MQTT311-3.2.2.3]. */
const MQTT_3_LOGIN: Readonly<Record<number, string>> = {
  1: 'unacceptable protocol version',
  2: 'identifier rejected',
  3: 'Server unavailable',
  4: 'bad user name or password',
  5: 'not authorized',
};

/** [RFC7252-12.1.2] and what came later. */
const COAP: Readonly<Record<number, string>> = {
  128: '4.00 Bad Request',
  129: '4.01 Unauthorized',
  130: '4.02 Bad Option',
  131: '4.03 Forbidden',
  132: '4.04 Not Found',
  133: '4.05 Method Not Allowed',
  134: '4.06 Not Acceptable',
  136: '4.08 Request Entity Incomplete',
  137: '4.09 Conflict',
  140: '4.12 Precondition Failed',
  141: '4.13 Request Entity Too Large',
  143: '4.15 Unsupported Content-Format',
  150: '4.22 Unprocessable Entity',
  157: '4.29 Too Many Requests',
  160: '5.00 Internal Server Error',
  161: '5.01 Not Implemented',
  162: '5.02 Bad Gateway',
  163: '5.03 Service Unavailable',
  164: '5.04 Gateway Timeout',
  165: '5.05 Proxying Not Supported',
};

/** What `WaymeetError` says of the other side's answer. */
export interface Coded {
  readonly code: string;
  readonly protocol: string;
  readonly status: number;
}

/** The name that the protocol's standard gives to an error's `status`; empty where it has none, or we do not know it. */
export function reasonName({ code, protocol, status }: Coded): string {
  if (protocol.startsWith('coap')) return COAP[status] ?? '';
  if (protocol !== 'mqtt') return '';
  // 4 is a goodbye in MQTT 5, which is no failure of a login.
  if (code !== 'shutting-down' && MQTT_3_LOGIN[status] !== undefined) return MQTT_3_LOGIN[status];
  if (status === 0 && code !== 'shutting-down') return '';
  return MQTT[status] ?? MQTT_FAILURES[status - 0x80] ?? '';
}
