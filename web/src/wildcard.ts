// Which topics a filter matches, and why not, level by level. [MQTT5-4.7]

export interface Verdict {
  readonly matches: boolean;
  readonly why: string;
}

/** What is wrong with a filter, or undefined. */
export function filterFault(filter: string): string | undefined {
  if (filter === '') return 'a filter has at least one character';
  let levels = filter.split('/');
  if (levels[0] === '$share') {
    if (levels.length < 3 || levels[1] === '') return 'a shared filter is $share/{group}/{filter}';
    if (/[+#]/.test(levels[1]!)) return 'the group of a shared filter has no wildcards';
    levels = levels.slice(2);
  }
  for (const [i, level] of levels.entries()) {
    if (level.includes('#') && (level !== '#' || i < levels.length - 1))
      return `'#' must be a whole level, and the last one: level ${i + 1} is '${level}'`;
    if (level.includes('+') && level !== '+')
      return `'+' must be a whole level: level ${i + 1} is '${level}'`;
  }
  return undefined;
}

export function matchTopic(filter: string, topic: string): Verdict {
  const fault = filterFault(filter);
  if (fault !== undefined) return { matches: false, why: fault };
  const wanted = filter.startsWith('$share/') ? filter.split('/').slice(2) : filter.split('/');
  const levels = topic.split('/');
  if (topic.startsWith('$') && (wanted[0] === '+' || wanted[0] === '#'))
    return { matches: false, why: `topics that begin with '$' are not matched by a leading '${wanted[0]}'` };
  for (const [i, want] of wanted.entries()) {
    if (want === '#') {
      const rest = levels.slice(i).join('/');
      return { matches: true, why: rest === '' ? "'#' also matches no level at all" : `'#' takes '${rest}'` };
    }
    const level = levels[i];
    if (level === undefined)
      return { matches: false, why: `the topic has no level ${i + 1}, the filter wants '${want}'` };
    if (want !== '+' && want !== level)
      return { matches: false, why: `level ${i + 1}: the filter wants '${want}', the topic has '${level}'` };
  }
  if (levels.length > wanted.length)
    return { matches: false, why: `the topic goes on with '${levels.slice(wanted.length).join('/')}'` };
  return { matches: true, why: filter === topic ? 'they are the same' : 'every level fits' };
}
