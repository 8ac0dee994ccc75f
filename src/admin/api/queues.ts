// The operations about work queues: what waits in them, who takes from them, and how to empty and end one.

import { z } from 'zod';
import type { Inspection, QueueView } from '../../contract/inspect.ts';
import { heldIn } from './held.ts';
import { type Operation, operation } from './operation.ts';
import { missing, page } from './page.ts';
import * as views from './views.ts';

export function queueOperations(inspection: Inspection): Operation[] {
  return [
    operation({
      method: 'GET',
      path: '/queues',
      about: 'Work queues.',
      role: 'viewer',
      query: z.strictObject({ ...views.paging, search: z.string().optional().describe('in the name') }),
      answer: views.pageOf(views.queue),
      run({ query: { search, ...part } }) {
        const named = ({ name }: QueueView) => search === undefined || name.includes(search);
        const found = page(inspection.queues(), part, named);
        return { total: found.total, items: found.items.map(queueOf) };
      },
    }),
    operation({
      method: 'GET',
      path: '/queues/{name}',
      about: 'One work queue.',
      role: 'viewer',
      answer: views.queue,
      run: ({ params }) => queueOf(inspection.queue(params.name!) ?? missing('queue')),
    }),
    operation({
      method: 'GET',
      path: '/queues/{name}/messages',
      about: 'The messages in a queue: those under way, then those that wait, first one first.',
      role: 'viewer',
      query: z.strictObject(views.paging),
      answer: views.pageOf(views.held),
      run: ({ params, query }) => heldIn(inspection.queue(params.name!) ?? missing('queue'), query),
    }),
    operation({
      method: 'DELETE',
      path: '/queues/{name}/messages',
      about: 'Discards the messages that wait in a queue.',
      role: 'admin',
      answer: z.object({ purged: z.number().int() }),
      run: ({ params }) => ({ purged: inspection.purgeQueue(params.name!) ?? missing('queue') }),
    }),
    operation({
      method: 'DELETE',
      path: '/queues/{name}',
      about: 'Ends a queue: what waits in it is gone, its consumers are told.',
      role: 'admin',
      answer: z.object({ done: z.literal(true) }),
      run: ({ params }) => (inspection.endQueue(params.name!) ? ({ done: true } as const) : missing('queue')),
    }),
  ];
}

/** Numbers that JSON has none for are null: without end. */
function queueOf(q: QueueView): z.input<typeof views.queue> {
  const { name, declared, waiting, waitingBytes, unsettled, consumers, options: o } = q;
  const finite = (n: number) => (Number.isFinite(n) ? n : null);
  return {
    name,
    declared,
    waiting,
    waitingBytes,
    unsettled,
    consumers,
    bindings: [...q.bound.keys()],
    durable: o.durable,
    exclusive: o.exclusive,
    autoDelete: o.autoDelete,
    singleActive: o.singleActive,
    overflow: o.overflow,
    maxPriority: o.maxPriority,
    deadLetter: o.deadLetter,
    expiresMs: finite(o.expiresMs),
    messageTtlMs: finite(o.messageTtlMs),
    maxMessages: finite(o.maxMessages),
    maxBytes: finite(o.maxBytes),
    maxDeliveries: finite(o.maxDeliveries),
  };
}
