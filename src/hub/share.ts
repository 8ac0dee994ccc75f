// The syntax of shared subscriptions, and of filters that are plain names.

export interface Share {
  /** The whole of it: groups are told apart by name and filter. */
  readonly name: string;
  readonly filter: string;
}

/** `$share/{group}/{filter}`, or undefined for any other filter. [MQTT5-4.8.2-1] */
export function parseShare(filter: string): Share | undefined {
  if (!filter.startsWith('$share/')) return undefined;
  const slash = filter.indexOf('/', 7);
  return slash < 0 ? undefined : { name: filter, filter: filter.slice(slash + 1) };
}

/** Whether a filter is a plain name. */
export function literal(filter: string): boolean {
  return filter !== '' && !filter.includes('+') && !filter.includes('#');
}
