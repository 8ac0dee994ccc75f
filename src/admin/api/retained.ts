// The operations about retained messages: listed and forgotten by filter, by a word in the topic, and by when they expire.

import { z } from 'zod';
import type { OwnedHub } from '../../contract/hub.ts';
import { type Message, NEVER } from '../../contract/message.ts';
import { isTopicFilter } from '../../contract/topic.ts';
import { millisecondsOf } from '../../protocol/http/decode.ts';
import { refusalOf } from '../../protocol/http/map.ts';
import { messageOf } from './held.ts';
import { type Operation, operation } from './operation.ts';
import * as views from './views.ts';

const duration = z.string().transform((text, context) => {
  const ms = millisecondsOf(text);
  if (ms !== undefined) return ms;
  context.addIssue('no time such as 30, 500ms or 5min');
  return z.NEVER;
});

const choice = {
  search: z.string().optional().describe('in the topic'),
  expires: z.enum(['ever', 'never']).optional().describe('those that expire at all, or those that do not'),
  expiresWithin: duration
    .optional()
    .describe('those that expire so soon: seconds, or `500ms`, `5min`, `2h`, `1d`'),
  expiresAfter: duration.optional().describe('those that expire, but not so soon'),
};

interface Choice {
  readonly filter: string;
  readonly search?: string | undefined;
  readonly expires?: 'ever' | 'never' | undefined;
  readonly expiresWithin?: number | undefined;
  readonly expiresAfter?: number | undefined;
}

export function retainedOperations(hub: OwnedHub): Operation[] {
  const { inspection } = hub;
  const select = (chosen: Choice): Message[] => {
    if (!isTopicFilter(chosen.filter, hub.limits)) throw refusalOf('filter-invalid');
    const now = hub.now();
    const found: Message[] = [];
    inspection.retained(chosen.filter, (m) => {
      if (isChosen(m, chosen, now)) found.push(m);
    });
    return found;
  };
  return [
    operation({
      method: 'GET',
      path: '/retained',
      about: 'Retained messages, by topic.',
      role: 'viewer',
      query: z.strictObject({
        ...views.paging,
        filter: z.string().default('#').describe("'$SYS/#' for the hub's own"),
        ...choice,
      }),
      answer: views.pageOf(views.message),
      run({ query: { offset, limit, ...chosen } }) {
        const found = select(chosen);
        found.sort((a, b) => (a.topic < b.topic ? -1 : 1));
        return { total: found.length, items: found.slice(offset, offset + limit).map(messageOf) };
      },
    }),
    operation({
      method: 'DELETE',
      path: '/retained',
      about:
        'Forgets the retained messages that a filter matches, or those of them that the rest of the query chooses.',
      role: 'admin',
      query: z.strictObject({ filter: z.string(), ...choice }),
      answer: z.object({ forgotten: z.number().int() }),
      run({ query }) {
        const topics = select(query).map((m) => m.topic);
        return { forgotten: topics.filter((topic) => inspection.forget(topic)).length };
      },
    }),
  ];
}

function isChosen({ topic, expiresAt }: Message, chosen: Choice, now: number): boolean {
  const { search, expires, expiresWithin, expiresAfter } = chosen;
  if (search !== undefined && !topic.includes(search)) return false;
  const ever = expiresAt !== NEVER;
  if (expires !== undefined && (expires === 'ever') !== ever) return false;
  if (expiresWithin !== undefined && !(ever && expiresAt - now <= expiresWithin)) return false;
  return expiresAfter === undefined || (ever && expiresAt - now > expiresAfter);
}
