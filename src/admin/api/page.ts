// What lists and look-ups of the admin API have in common: a part of a list, and nothing found.

import { Refusal } from '../../protocol/http/packet.ts';

export function missing(what: string): never {
  throw new Refusal(404, 'not-found', `there is no such ${what}`);
}

/** The part of a list that was asked for, and how long the whole is. */
export function page<T>(
  all: Iterable<T>,
  { offset, limit }: { readonly offset: number; readonly limit: number },
  keep: (item: T) => boolean,
): { total: number; items: T[] } {
  const items: T[] = [];
  let total = 0;
  for (const item of all) {
    if (!keep(item)) continue;
    if (total >= offset && items.length < limit) items.push(item);
    total++;
  }
  return { total, items };
}
