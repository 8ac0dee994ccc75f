// The operations that log a person in and out of the dashboard.

import { z } from 'zod';
import type { Guard } from './guard.ts';
import { type Operation, operation } from './operation.ts';
import type { Session } from './sessions.ts';

const session = z.object({
  loginNeeded: z.boolean().describe('false: everybody may do everything here, and no login is opened'),
  role: z.enum(['viewer', 'admin']).nullable().describe('null: not logged in'),
  csrf: z.string().nullable().describe('what changes show in the header X-Waymeet-CSRF'),
  endsAt: z.number().nullable().describe('when the login ends at the latest, ms since 1970'),
});

export function loginOperations(guard: Guard): Operation[] {
  return [
    operation({
      method: 'POST',
      path: '/login',
      about: 'Logs in: opens a session, which a cookie holds from then on.',
      role: 'open',
      body: z.strictObject({ user: z.string().max(256), password: z.string().max(4_096) }),
      answer: session,
      async run({ body, request, address, setCookie }) {
        if (!guard.loginNeeded) return OPEN;
        const opened = await guard.logIn(request, body.user, body.password, address);
        setCookie(opened.cookie);
        return viewOf(opened.session);
      },
    }),
    operation({
      method: 'GET',
      path: '/session',
      about: 'Who is logged in, and the token that changes need.',
      role: 'open',
      answer: session,
      run({ caller }) {
        if (!guard.loginNeeded) return OPEN;
        if (caller.session !== undefined) return viewOf(caller.session);
        return { loginNeeded: true, role: null, csrf: null, endsAt: null };
      },
    }),
    operation({
      method: 'POST',
      path: '/logout',
      about: 'Ends the session of the cookie.',
      role: 'open',
      answer: z.object({ done: z.literal(true) }),
      run({ request, setCookie }) {
        setCookie(guard.logOut(request));
        return { done: true } as const;
      },
    }),
  ];
}

const OPEN = { loginNeeded: false, role: 'admin', csrf: null, endsAt: null } as const;

function viewOf({ rank, csrf, endsAt }: Session): z.input<typeof session> {
  return { loginNeeded: true, role: rank, csrf, endsAt };
}
