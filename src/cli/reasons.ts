// What MQTT's codes mean, in words for a person.

import { CONNACK, type Level, type Properties } from '../protocol/mqtt/packet.ts';

const MQTT3: Readonly<Record<number, string>> = {
  1: 'it does not speak this MQTT version; try -V',
  2: 'it does not take this client id',
  3: 'it is not available',
  4: 'the user name or password is wrong',
  5: 'this client is not authorized',
};

const MQTT5: Readonly<Record<number, string>> = {
  0: 'goodbye',
  4: 'goodbye, with the will',
  16: 'nobody has subscribed',
  17: 'there was no such subscription',
  128: 'unspecified error',
  129: 'malformed packet',
  130: 'protocol error',
  131: 'the broker does not do that',
  132: 'it does not speak this MQTT version; try -V',
  133: 'it does not take this client id',
  134: 'the user name or password is wrong',
  135: 'not authorized',
  136: 'it is not available',
  137: 'it is busy',
  138: 'banned',
  139: 'it shuts down',
  140: 'it does not know this authentication method',
  141: 'the keep-alive time ran out',
  142: 'another client came with the same client id',
  143: 'the topic filter is invalid',
  144: 'the topic name is invalid',
  145: 'the packet id is in use',
  146: 'the packet id is not known',
  147: 'more messages in flight than allowed',
  148: 'the topic alias is invalid',
  149: 'the packet is too large',
  150: 'too many messages',
  151: 'a quota is exceeded',
  152: 'an administrator said so',
  153: 'the payload is not what it claims to be',
  154: 'it keeps no retained messages',
  155: 'it does not do this QoS',
  156: 'use another server',
  157: 'the server moved',
  158: 'it has no shared subscriptions',
  159: 'too many connections',
  160: 'it was connected long enough',
  161: 'it has no subscription identifiers',
  162: 'it has no wildcard subscriptions',
};

/** `the user name or password is wrong (0x86): try again later` */
export function explain(level: Level, type: number, code: number, properties: Properties): string {
  const words =
    (level < 5 && type === CONNACK ? MQTT3 : MQTT5)[code] ?? 'for a reason that is not known here';
  const said = properties.reasonString === undefined ? '' : `: ${properties.reasonString}`;
  const elsewhere = properties.serverReference === undefined ? '' : ` (${properties.serverReference})`;
  return `${words} (0x${code.toString(16).padStart(2, '0')})${elsewhere}${said}`;
}
