// The settings of CoAP and MQTT-SN: at the top for all listeners, and in a listener for that one.

import {
  flag,
  group,
  type Kind,
  limit,
  oneOf,
  optional,
  path,
  preset,
  size,
  span,
  text,
  topicsByClient,
  topicsById,
  whole,
} from './field.ts';

interface Setting<T> {
  readonly about: string;
  readonly kind: Kind<T>;
  readonly fallback: unknown;
}

/** What somebody may say, and what nobody says otherwise. */
function usually<T>(about: string, kind: Kind<T>, fallback: unknown): Setting<T> {
  return { about, kind, fallback };
}

/** What may be absent. */
interface Choice<T> {
  readonly about: string;
  readonly kind: Kind<T>;
}

type Shape = Readonly<Record<string, Setting<unknown> | Choice<unknown>>>;

type Top<S extends Shape> = {
  [K in keyof S]: S[K] extends Setting<infer T>
    ? ReturnType<typeof preset<T>>
    : S[K] extends Choice<infer T>
      ? ReturnType<typeof optional<T>>
      : never;
};

type Here<S extends Shape> = {
  [K in keyof S]: S[K] extends Choice<infer T> ? ReturnType<typeof optional<T>> : never;
};

function top<S extends Shape>(shape: S): Top<S> {
  const fields = Object.entries(shape).map(([name, one]) => [
    name,
    'fallback' in one ? preset(one.about, one.kind, one.fallback) : optional(one.about, one.kind),
  ]);
  return Object.fromEntries(fields) as Top<S>;
}

function here<S extends Shape>(shape: S): Here<S> {
  const fields = Object.entries(shape).map(([name, { about, kind }]) => [name, optional(about, kind)]);
  return Object.fromEntries(fields) as Here<S>;
}

const COAP = {
  verifyAddresses: usually(
    "Over UDP, make an address prove that it is its sender's own (Echo) before it gets a large answer. Loopback needs no proof.",
    flag,
    true,
  ),
  body: usually('The largest body that is put together from blocks.', size(1_024, 268_435_456), '1MiB'),
  requestsPerSecond: usually('Requests a second of one endpoint, on average.', limit(1), 'none'),
  rpcTimeout: usually('How long a call of `/rpc/{topic}` waits for its answer.', span, '10s'),
  multicast: usually(
    'Answer discovery that is sent to the groups of all CoAP nodes: 224.0.1.187, ff02::fd and ff05::fd.',
    flag,
    true,
  ),
  oscore: {
    about:
      'OSCORE contexts, one line each: `user:their id:our id:secret[:salt[:context]]`, all but the user in hex. A reload reads the file again.',
    kind: path,
  },
  plugtest: usually(
    'Serve the resources of the ETSI CoAP plugtests, for interoperability suites.',
    flag,
    false,
  ),
};

const MQTTSN = {
  version: usually('The version spoken.', oneOf('1.2'), '1.2'),
  gatewayId: usually('The id of this gateway, as GWINFO and ADVERTISE tell it.', whole(0, 255), 1),
  predefined: { about: 'Topic ids that devices know without registering them.', kind: topicsById },
  clients: {
    about: 'Such ids of single devices, by client id; they go before those of all.',
    kind: topicsByClient,
  },
  qosMinusOne: usually('Take QoS -1: messages of devices that never connect.', flag, true),
  roaming: usually('Let a sleeping device wake up at another address.', flag, true),
  verifyAddresses: usually(
    'Send messages to an address of plain UDP only once it has answered a REGISTER, so that forged ones get none. Some small devices do not answer that.',
    flag,
    false,
  ),
  retry: usually('How long an answer is waited for before a message is sent again.', span, '10s'),
  retries: usually('How often it is; then the device is lost.', whole(0, 100), 3),
  wait: usually('How long a device that says that it is congested is left alone.', span, '5min'),
  inflight: usually(
    'Messages of QoS 1 and 2 on their way to one device; few can keep more than one apart.',
    whole(1, 1_024),
    1,
  ),
  registrations: usually('Topics that one device may register.', whole(1, 65_533), 1_024),
  nodesPerForwarder: usually('Devices behind one forwarder.', whole(0, 65_535), 1_024),
  messagesPerSecond: usually('Messages a second from one address, on average.', limit(1), 'none'),
  multicast: {
    about:
      'The group that the hub joins to be found (SEARCHGW), and advertises itself to, such as `225.1.1.1`; the host must be `0.0.0.0` or `::`.',
    kind: text,
  },
  advertise: usually('How often it advertises itself there.', span, '15min'),
};

export const coap = group('CoAP, unless a listener says otherwise.', top(COAP));
export const coapHere = group('CoAP at this listener.', here(COAP));
export const mqttsn = group('MQTT-SN, unless a listener says otherwise.', top(MQTTSN));
export const mqttsnHere = group('MQTT-SN at this listener.', here(MQTTSN));
