// Whether a topic matches a filter, compared here where the other side does not tell which subscription a message came by.

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;
const DOLLAR = 0x24;

/** The filter of `$share/{group}/{filter}`, else the filter itself. */
export function plainFilter(filter: string): string {
  return filter.startsWith('$share/') ? filter.slice(filter.indexOf('/', 7) + 1) : filter;
}

/** Both are well-formed; `filter` is plain. */
export function matches(filter: string, topic: string): boolean {
  // Topics that start with $ are not matched by a leading wildcard [MQTT5-4.7.2-1].
  const first = filter.charCodeAt(0);
  if (topic.charCodeAt(0) === DOLLAR && (first === PLUS || first === HASH)) return false;
  let t = 0;
  for (let f = 0; f < filter.length; f++) {
    const c = filter.charCodeAt(f);
    if (c === HASH) return true;
    if (c === PLUS) {
      while (t < topic.length && topic.charCodeAt(t) !== SLASH) t++;
    } else if (t < topic.length && topic.charCodeAt(t) === c) t++;
    // `a/#` matches `a` too [MQTT5-4.7.1-2].
    else return t === topic.length && c === SLASH && filter.charCodeAt(f + 1) === HASH;
  }
  return t === topic.length;
}
