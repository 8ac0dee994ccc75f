// What a server's reason codes mean to its client: the hub's word for each, which a person understands too.

import type { Outcome } from '../../contract/outcome.ts';
import type { Refusal } from '../../contract/speaker.ts';
import { CONNACK, type Level, type Properties } from './packet.ts';

/** Return codes of CONNACK before MQTT 5 [MQTT311-3.2.2.3]. */
const LOGIN_3: Readonly<Record<number, Outcome>> = {
  1: 'not-supported',
  2: 'identifier-invalid',
  3: 'unavailable',
  4: 'bad-credentials',
  5: 'not-authorized',
};

/** Reason codes of MQTT 5 [MQTT5-2.4]; 0x80 is also what SUBACK says in 3.1.1. */
const ROWS: Readonly<Record<number, Outcome>> = {
  0: 'shutting-down',
  4: 'shutting-down',
  16: 'unmatched',
  17: 'no-subscription',
  128: 'unavailable',
  129: 'payload-invalid',
  130: 'payload-invalid',
  131: 'not-supported',
  132: 'not-supported',
  133: 'identifier-invalid',
  134: 'bad-credentials',
  135: 'not-authorized',
  136: 'unavailable',
  137: 'busy',
  138: 'not-authorized',
  139: 'shutting-down',
  140: 'bad-authentication-method',
  141: 'idle',
  142: 'taken-over',
  143: 'filter-invalid',
  144: 'topic-invalid',
  145: 'busy',
  146: 'unavailable',
  147: 'slow-consumer',
  148: 'topic-invalid',
  149: 'too-large',
  150: 'rate-exceeded',
  151: 'quota-exceeded',
  152: 'disconnected-by-admin',
  153: 'payload-invalid',
  154: 'not-supported',
  155: 'not-supported',
  156: 'use-another-server',
  157: 'server-moved',
  158: 'not-supported',
  159: 'rate-exceeded',
  160: 'disconnected-by-admin',
  161: 'not-supported',
  162: 'not-supported',
};

/** `bad credentials (0x86): try again later` */
export function refusalOf(level: Level, type: number, code: number, properties: Properties): Refusal {
  const outcome = (level < 5 && type === CONNACK ? LOGIN_3 : ROWS)[code] ?? 'unavailable';
  const { reasonString, serverReference } = properties;
  const said = reasonString === undefined ? '' : `: ${reasonString}`;
  const elsewhere = serverReference === undefined ? '' : ` (${serverReference})`;
  const reason = `${outcome.replaceAll('-', ' ')} (0x${code.toString(16).padStart(2, '0')})${elsewhere}${said}`;
  return { outcome, reason, code, ...(serverReference === undefined ? {} : { reference: serverReference }) };
}
