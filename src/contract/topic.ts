// What is a topic name and what is a topic filter, the same in every protocol.

/** The limits that concern topics (HubLimits). */
export interface TopicLimits {
  readonly topicLevels: number;
  readonly topicBytes: number;
}

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;

/** At least one character, no wildcard, well-formed Unicode without U+0000, and within the limits. [MQTT5-4.7.1-1, 4.7.3] */
export function isTopicName(topic: string, limits: TopicLimits): boolean {
  if (!fits(topic, limits)) return false;
  for (let i = 0; i < topic.length; i++) {
    const c = topic.charCodeAt(i);
    if (c === PLUS || c === HASH) return false;
  }
  return true;
}

/**
 * A topic name whose levels may be `+`, and the last one `#` [MQTT5-4.7.1]; or `$share/{group}/{filter}` with a group
 * without wildcards [MQTT5-4.8.2].
 */
export function isTopicFilter(filter: string, limits: TopicLimits): boolean {
  return isFilter(filter, limits, false);
}

/** As a topic filter, but `#` may be any level, and there are no groups: what a queue is bound with. */
export function isBinding(filter: string, limits: TopicLimits): boolean {
  return !filter.startsWith('$share/') && isFilter(filter, limits, true);
}

function isFilter(filter: string, limits: TopicLimits, anywhere: boolean): boolean {
  if (!fits(filter, limits)) return false;
  let start = 0;
  if (filter.startsWith('$share/')) {
    const groupEnd = filter.indexOf('/', 7);
    if (groupEnd <= 7 || groupEnd === filter.length - 1) return false;
    for (let i = 7; i < groupEnd; i++) {
      const c = filter.charCodeAt(i);
      if (c === PLUS || c === HASH) return false;
    }
    start = groupEnd + 1;
  }
  for (let i = start; i < filter.length; i++) {
    const c = filter.charCodeAt(i);
    if (c !== PLUS && c !== HASH) continue;
    if (i > start && filter.charCodeAt(i - 1) !== SLASH) return false;
    if (i + 1 < filter.length && ((c === HASH && !anywhere) || filter.charCodeAt(i + 1) !== SLASH))
      return false;
  }
  return true;
}

function fits(text: string, limits: TopicLimits): boolean {
  if (text.length === 0) return false;
  let levels = 1;
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0) return false; // [MQTT5-4.7.3-2]
    if (c === SLASH) levels++;
    if (c < 0x80) bytes += 1;
    else if (c < 0x800) bytes += 2;
    else if (c < 0xd800 || c > 0xdfff) bytes += 3;
    else {
      const low = text.charCodeAt(++i);
      if (c > 0xdbff || !(low >= 0xdc00 && low <= 0xdfff)) return false; // a lone surrogate is no UTF-8 [MQTT5-1.5.4-1]
      bytes += 4;
    }
  }
  return levels <= limits.topicLevels && bytes <= limits.topicBytes;
}

/** Whether a filter matches a topic. A leading wildcard never matches a `$` topic. [MQTT5-4.7.2-1] */
export function matchesTopic(filter: string, topic: string): boolean {
  const wanted = filter.split('/');
  const levels = topic.split('/');
  if (topic.startsWith('$') && (wanted[0] === '#' || wanted[0] === '+')) return false;
  for (const [i, want] of wanted.entries()) {
    if (want === '#') return true;
    if (i >= levels.length || (want !== '+' && want !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}
