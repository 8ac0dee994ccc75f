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

/** Reason codes of MQTT 5 [MQTT5-2.4]. */
const ROWS: Readonly<Record<number, Outcome>> = {
  0: 'shutting-down',
  4: 'shutting-down',
  16: 'unmatched',
  17: 'no-subscription',
};

/** From 0x80, which is also what SUBACK says in 3.1.1, to 0xa2. */
const FAILURES: readonly Outcome[] = [
  'unavailable',
  'payload-invalid',
  'payload-invalid',
  'not-supported',
  'not-supported',
  'identifier-invalid',
  'bad-credentials',
  'not-authorized',
  // 0x88
  'unavailable',
  'busy',
  'not-authorized',
  'shutting-down',
  'bad-authentication-method',
  'idle',
  'taken-over',
  'filter-invalid',
  // 0x90
  'topic-invalid',
  'busy',
  'unavailable',
  'slow-consumer',
  'topic-invalid',
  'too-large',
  'rate-exceeded',
  'quota-exceeded',
  // 0x98
  'disconnected-by-admin',
  'payload-invalid',
  'not-supported',
  'not-supported',
  'use-another-server',
  'server-moved',
  'not-supported',
  'rate-exceeded',
  // 0xa0
  'disconnected-by-admin',
  'not-supported',
  'not-supported',
];

/** `bad credentials (0x86): try again later` */
export function refusalOf(level: Level, type: number, code: number, properties: Properties): Refusal {
  const outcome =
    (level < 5 && type === CONNACK ? LOGIN_3 : ROWS)[code] ?? FAILURES[code - 0x80] ?? 'unavailable';
  const { reasonString, serverReference } = properties;
  const said = reasonString === undefined ? '' : `: ${reasonString}`;
  const elsewhere = serverReference === undefined ? '' : ` (${serverReference})`;
  const reason = `${outcome.replaceAll('-', ' ')} (0x${code.toString(16).padStart(2, '0')})${elsewhere}${said}`;
  return { outcome, reason, code, ...(serverReference === undefined ? {} : { reference: serverReference }) };
}
