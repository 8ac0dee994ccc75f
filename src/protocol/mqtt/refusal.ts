// What a server's reason codes mean to its client: the hub's word for each, and a sentence for a person.

import type { Outcome } from '../../contract/outcome.ts';
import type { Refusal } from '../../contract/speaker.ts';
import { CONNACK, type Level, type Properties } from './packet.ts';

type Row = readonly [outcome: Outcome, words: string];

/** Return codes of CONNACK before MQTT 5 [MQTT311-3.2.2.3]. */
const LOGIN_3: Readonly<Record<number, Row>> = {
  1: ['not-supported', 'it does not speak this MQTT version'],
  2: ['identifier-invalid', 'it does not take this client id'],
  3: ['unavailable', 'it is not available'],
  4: ['bad-credentials', 'the user name or password is wrong'],
  5: ['not-authorized', 'this client is not authorized'],
};

/** Reason codes of MQTT 5 [MQTT5-2.4]; 0x80 is also what SUBACK says in 3.1.1. */
const ROWS: Readonly<Record<number, Row>> = {
  0: ['shutting-down', 'goodbye'],
  4: ['shutting-down', 'goodbye, with the will'],
  16: ['unmatched', 'nobody has subscribed'],
  17: ['no-subscription', 'there was no such subscription'],
  128: ['unavailable', 'it does not say why'],
  129: ['payload-invalid', 'malformed packet'],
  130: ['payload-invalid', 'protocol error'],
  131: ['not-supported', 'the broker does not do that'],
  132: ['not-supported', 'it does not speak this MQTT version'],
  133: ['identifier-invalid', 'it does not take this client id'],
  134: ['bad-credentials', 'the user name or password is wrong'],
  135: ['not-authorized', 'not authorized'],
  136: ['unavailable', 'it is not available'],
  137: ['busy', 'it is busy'],
  138: ['not-authorized', 'banned'],
  139: ['shutting-down', 'it shuts down'],
  140: ['bad-authentication-method', 'it does not know this authentication method'],
  141: ['idle', 'the keep-alive time ran out'],
  142: ['taken-over', 'another client came with the same client id'],
  143: ['filter-invalid', 'the topic filter is invalid'],
  144: ['topic-invalid', 'the topic name is invalid'],
  145: ['busy', 'the packet id is in use'],
  146: ['unavailable', 'the packet id is not known'],
  147: ['slow-consumer', 'more messages in flight than allowed'],
  148: ['topic-invalid', 'the topic alias is invalid'],
  149: ['too-large', 'the packet is too large'],
  150: ['rate-exceeded', 'too many messages'],
  151: ['quota-exceeded', 'a quota is exceeded'],
  152: ['disconnected-by-admin', 'an administrator said so'],
  153: ['payload-invalid', 'the payload is not what it claims to be'],
  154: ['not-supported', 'it keeps no retained messages'],
  155: ['not-supported', 'it does not do this QoS'],
  156: ['use-another-server', 'use another server'],
  157: ['server-moved', 'the server moved'],
  158: ['not-supported', 'it has no shared subscriptions'],
  159: ['rate-exceeded', 'too many connections'],
  160: ['disconnected-by-admin', 'it was connected long enough'],
  161: ['not-supported', 'it has no subscription identifiers'],
  162: ['not-supported', 'it has no wildcard subscriptions'],
};

const UNKNOWN: Row = ['unavailable', 'for a reason that is not known here'];

/** `the user name or password is wrong (0x86): try again later` */
export function refusalOf(level: Level, type: number, code: number, properties: Properties): Refusal {
  const [outcome, words] = (level < 5 && type === CONNACK ? LOGIN_3 : ROWS)[code] ?? UNKNOWN;
  const { reasonString, serverReference } = properties;
  const said = reasonString === undefined ? '' : `: ${reasonString}`;
  const elsewhere = serverReference === undefined ? '' : ` (${serverReference})`;
  const reason = `${words} (0x${code.toString(16).padStart(2, '0')})${elsewhere}${said}`;
  return { outcome, reason, code, ...(serverReference === undefined ? {} : { reference: serverReference }) };
}
