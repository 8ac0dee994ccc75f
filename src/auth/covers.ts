// How the topics of two filters relate: whether one filter covers another, and whether they share a topic.

/**
 * Filters here are their levels, `a/+/#` is `['a', '+', '#']`; a topic is a filter without wildcards. `+` is any one level, a last `#`
 * any number of them, none included [MQTT5-4.7.1-1]; neither stands for a first level that starts with `$` [MQTT5-4.7.2-1].
 */
export type Levels = readonly string[];

export function levelsOf(filter: string): Levels {
  return filter.split('/');
}

/** Whether `outer` matches every topic that `inner` matches. */
export function covers(outer: Levels, inner: Levels): boolean {
  if (hidden(outer, inner)) return false;
  for (let i = 0; ; i++) {
    const o = outer[i];
    const n = inner[i];
    if (o === '#') return true;
    if (n === '#') {
      // `a/#` has `a` among its topics, which no longer filter than `a/#` itself matches. Only where there is nothing to be the parent
      // of, at the start, are `#` and `+/#` the same.
      return i === 0 && o === '+' && outer[1] === '#';
    }
    if (o === undefined || n === undefined) return o === n;
    if (o !== '+' && o !== n) return false;
  }
}

/** Whether some topic is matched by both. */
export function overlap(a: Levels, b: Levels): boolean {
  if (hidden(a, b) || hidden(b, a)) return false;
  for (let i = 0; ; i++) {
    const x = a[i];
    const y = b[i];
    if (x === '#' || y === '#') return true;
    if (x === undefined || y === undefined) return x === y;
    if (x !== '+' && y !== '+' && x !== y) return false;
  }
}

/** Whether all topics of `b` are in a `$` tree, which `a`'s leading wildcard does not see. */
function hidden(a: Levels, b: Levels): boolean {
  return (a[0] === '+' || a[0] === '#') && b[0]!.startsWith('$');
}

/** What is wrong with a filter, or undefined [MQTT5-4.7.1-1, MQTT5-4.7.1-2, MQTT5-4.7.3-1]. */
export function filterFault(filter: string): string | undefined {
  if (filter === '') return 'a filter must not be empty';
  if (filter.includes('\0')) return 'a filter must not contain U+0000';
  const levels = levelsOf(filter);
  for (const [i, level] of levels.entries()) {
    if (level === '#' && i < levels.length - 1) return '`#` must be the last level';
    if (level.length > 1 && /[+#]/.test(level))
      return `\`+\` and \`#\` must be whole levels, not part of \`${level}\``;
  }
  return undefined;
}

/** The filter inside `$share/{group}/{filter}`, the filter itself when it is not shared, undefined when it is malformed. */
export function unshared(filter: string): string | undefined {
  if (!filter.startsWith('$share/')) return filter;
  const slash = filter.indexOf('/', 7);
  return slash > 7 && slash < filter.length - 1 ? filter.slice(slash + 1) : undefined;
}
