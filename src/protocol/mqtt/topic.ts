// The rules for topic names and topic filters, as pure functions over strings.

import type { ProtocolError } from '../../contract/outcome.ts';
import { fault, TOPIC_NAME_INVALID } from './fault.ts';
import type { Level } from './packet.ts';

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;
const SHARE = '$share/';

/** Throws ProtocolError 0x90 unless `topic` has a character and no wildcard. */
export function checkTopicName(topic: string, level: Level): void {
  if (topic.length === 0)
    throw fault(level, 'MQTT5-4.7.3-1', 'MQTT311-4.7.3-1', 'topic name is empty', TOPIC_NAME_INVALID);
  if (hasWildcard(topic)) throw wildcardInName(level);
}

/**
 * Throws ProtocolError 0x90 when the topic name at `bytes[start..end)` has a wildcard. Asked of the octets because a string just put
 * together must be flattened to be searched: 131 vs 282 ns for both, 17 octets.
 */
export function checkTopicOctets(bytes: Uint8Array, start: number, end: number, level: Level): void {
  for (let at = start; at < end; at++) {
    const octet = bytes[at]!;
    if (octet === PLUS || octet === HASH) throw wildcardInName(level);
  }
}

function wildcardInName(level: Level): ProtocolError {
  return fault(
    level,
    'MQTT5-3.3.2-2',
    'MQTT311-3.3.2-2',
    'topic name contains a wildcard',
    TOPIC_NAME_INVALID,
  );
}

export function hasWildcard(topic: string): boolean {
  for (let i = 0; i < topic.length; i++) {
    const unit = topic.charCodeAt(i);
    if (unit === PLUS || unit === HASH) return true;
  }
  return false;
}

/**
 * Whether `topic` may be published to: at least one character [MQTT5-4.7.3-1], no wildcard [MQTT5-4.7.0-1], no U+0000 [MQTT5-4.7.3-2],
 * at most `maxLevels` levels. Its length in octets is bounded by the frame that it came in [MQTT5-4.7.3-3].
 */
export function validTopicName(topic: string, maxLevels = Number.POSITIVE_INFINITY): boolean {
  if (topic.length === 0) return false;
  let levels = 1;
  for (let i = 0; i < topic.length; i++) {
    const unit = topic.charCodeAt(i);
    if (unit === SLASH) levels++;
    else if (unit === PLUS || unit === HASH || unit === 0) return false;
  }
  return levels <= maxLevels;
}

/**
 * Whether `filter` may be subscribed to: at least one character [MQTT5-4.7.3-1], no U+0000 [MQTT5-4.7.3-2], `#` alone in the last level
 * [MQTT5-4.7.1-1] [MQTT311-4.7.1-2], `+` alone in its level [MQTT5-4.7.1-2] [MQTT311-4.7.1-3], at most `maxLevels` levels. What
 * starts with `$share/` must be `$share/{name}/{filter}` with a name [MQTT5-4.8.2-1] free of wildcards and a filter
 * [MQTT5-4.8.2-2]; its levels are those of the filter behind the name. Before MQTT 5, pass `shared` false: there `$share` is a level.
 */
export function validTopicFilter(
  filter: string,
  maxLevels = Number.POSITIVE_INFINITY,
  shared = true,
): boolean {
  let start = 0;
  if (shared && isShared(filter)) {
    start = sharedFilterStart(filter);
    if (start < 0) return false;
  }
  if (start === filter.length) return false;
  let levels = 1;
  for (let i = start; i < filter.length; i++) {
    const unit = filter.charCodeAt(i);
    if (unit === SLASH) {
      levels++;
      continue;
    }
    if (unit === 0) return false;
    if (unit !== PLUS && unit !== HASH) continue;
    if (i > start && filter.charCodeAt(i - 1) !== SLASH) return false;
    const last = i + 1 === filter.length;
    if (!last && (unit === HASH || filter.charCodeAt(i + 1) !== SLASH)) return false;
  }
  return levels <= maxLevels;
}

/** Whether `filter` asks for a shared subscription, well-formed or not. */
export function isShared(filter: string): boolean {
  return filter.startsWith(SHARE);
}

/** Where the filter behind `$share/{name}/` begins, or -1 when the name is empty, has a wildcard or nothing follows. */
function sharedFilterStart(filter: string): number {
  const slash = filter.indexOf('/', SHARE.length);
  if (slash <= SHARE.length) return -1;
  for (let i = SHARE.length; i < slash; i++) {
    const unit = filter.charCodeAt(i);
    if (unit === PLUS || unit === HASH || unit === 0) return -1;
  }
  return slash + 1;
}
