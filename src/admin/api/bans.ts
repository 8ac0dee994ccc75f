// The operations that keep somebody out: bans, and sending away by user, client or address.

import { isIP } from 'node:net';
import { z } from 'zod';
import type { BanKind } from '../../contract/bans.ts';
import type { OwnedHub } from '../../contract/hub.ts';
import { NEVER } from '../../contract/message.ts';
import { refusalOf } from '../../protocol/http/map.ts';
import { Refusal } from '../../protocol/http/packet.ts';
import { type Operation, operation } from './operation.ts';

const name = z.string().min(1).max(1_024);
const kind = z.enum(['address', 'user', 'client']);

const ban = z
  .object({
    kind,
    value: z.string().describe('an address, or `2001:db8:0:1::/64`; a user name; a client id'),
    since: z.number().describe('ms since 1970'),
    until: z.number().nullable().describe('ms since 1970; null: until it is lifted'),
    why: z.string(),
    by: z.enum(['admin', 'hub']).describe('hub: after failed logins'),
  })
  .meta({ id: 'Ban' });

export function banOperations(hub: OwnedHub): Operation[] {
  return [
    operation({
      method: 'GET',
      path: '/bans',
      about: 'Who is not let in.',
      role: 'viewer',
      answer: z.object({ items: z.array(ban) }),
      run: () => ({
        items: hub.bans.list().map((one) => ({ ...one, until: one.until === NEVER ? null : one.until })),
      }),
    }),
    operation({
      method: 'POST',
      path: '/bans',
      about:
        'Keeps an address, a user or a client id out, and sends away who is here. It outlives a restart.',
      role: 'admin',
      body: z.strictObject({
        kind,
        value: name,
        seconds: z.number().positive().optional().describe('how long; absent: until it is lifted'),
        why: z.string().max(1_024).default('by hand'),
      }),
      answer: z.object({ done: z.literal(true) }),
      run({ body }) {
        const until = body.seconds === undefined ? NEVER : hub.now() + body.seconds * 1_000;
        const outcome = hub.bans.add(body.kind, canonical(body.kind, body.value), until, body.why);
        if (outcome !== 'ok') throw refusalOf(outcome);
        return { done: true } as const;
      },
    }),
    operation({
      method: 'DELETE',
      path: '/bans/{kind}/{value}',
      about: 'Lifts a ban.',
      role: 'admin',
      answer: z.object({ done: z.literal(true) }),
      run({ params }) {
        const known = kind.safeParse(params.kind);
        if (known.success && hub.bans.remove(known.data, canonical(known.data, params.value!)))
          return { done: true } as const;
        throw new Refusal(404, 'not-found', 'there is no such ban');
      },
    }),
    operation({
      method: 'POST',
      path: '/kick',
      about: 'Sends away every client to whom all of it applies. Nothing keeps them from coming back.',
      role: 'admin',
      body: z
        .strictObject({ client: name.optional(), user: name.optional(), address: name.optional() })
        .refine(
          (said) => Object.values(said).some((one) => one !== undefined),
          'say client, user or address',
        ),
      answer: z.object({ kicked: z.number().int() }),
      run({ body: { client, user, address } }) {
        const place = address === undefined ? undefined : canonical('address', address);
        return { kicked: hub.kick({ client, user, address: place }) };
      },
    }),
  ];
}

/** As sockets write it: IPv6 in lower case with its zeros folded. */
function canonical(of: BanKind, value: string): string {
  if (of !== 'address' || value.endsWith('::/64')) return value;
  if (isIP(value) === 0) throw new Refusal(400, 'payload-invalid', `${value} is no IP address`);
  return isIP(value) === 6 ? new URL(`http://[${value}]`).hostname.slice(1, -1) : value;
}
