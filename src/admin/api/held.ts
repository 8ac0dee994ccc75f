// Messages as the admin API shows them, and those that a session or queue holds.

import type { z } from 'zod';
import type { HeldMessage } from '../../contract/inspect.ts';
import type { Message } from '../../contract/message.ts';
import { jsonWords } from '../json.ts';
import type * as views from './views.ts';

export function messageOf(m: Message): z.input<typeof views.message> {
  const { qos, at, origin } = m;
  return { topic: m.topic, ...jsonWords.write(m), qos, at, bytes: m.payload.length, origin };
}

/** A page of what a session or queue holds; beyond the page nothing is read from the store. */
export function heldIn(
  box: { readonly waiting: number; readonly unsettled: number; messages(): Iterable<HeldMessage> },
  { offset, limit }: { readonly offset: number; readonly limit: number },
): { total: number; items: z.input<typeof views.held>[] } {
  const items: z.input<typeof views.held>[] = [];
  let at = 0;
  for (const { message, qos, unsettled, again } of box.messages()) {
    if (at++ < offset) continue;
    items.push({ ...messageOf(message), qos, unsettled, again });
    if (items.length === limit) break;
  }
  return { total: box.waiting + box.unsettled, items };
}
