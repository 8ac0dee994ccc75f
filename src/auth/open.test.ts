import { expect, test } from 'vitest';
import { authCases, identified, loginOf, password } from './case.ts';
import { openAuth } from './open.ts';

authCases('open, no name', async () => ({
  auth: openAuth(),
  good: loginOf(),
  principal: 'anonymous',
  bad: [],
}));
authCases('open, a name', async () => ({
  auth: openAuth(),
  good: loginOf({ username: 'alice', password: password('anything') }),
  principal: 'alice',
  bad: [],
}));

test('everybody is unrestricted; clients of one name share an object', async () => {
  const auth = openAuth();
  const one = await identified(auth, loginOf({ username: 'alice' }));
  expect(one.unrestricted).toBe(true);
  expect(await auth.identify(loginOf({ username: 'alice', client: 'other' }))).toBe(one);
  expect(await auth.identify(loginOf())).not.toBe(one);
});
