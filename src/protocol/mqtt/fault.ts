// How the codec refuses octets: the same rule has one clause in MQTT 5 and another in 3.1.1.

import { ProtocolError } from '../../contract/outcome.ts';
import type { Level } from './packet.ts';

export const MALFORMED = 0x81;
export const BROKEN_RULE = 0x82;
export const UNSUPPORTED_VERSION = 0x84;
export const TOPIC_NAME_INVALID = 0x90;
export const TOPIC_ALIAS_INVALID = 0x94;

/**
 * The error for a broken rule, `code` being the reason code of MQTT 5 at every level. MQTT 3.1 numbers no statements: its rules are
 * named by those of 3.1.1.
 */
export function fault(
  level: Level,
  clause5: `MQTT5-${string}`,
  clause311: `MQTT311-${string}`,
  message: string,
  code: number = MALFORMED,
): ProtocolError {
  return new ProtocolError(level === 5 ? clause5 : clause311, message, code);
}
