// SCRAM: the example of RFC 7677, our own server, and servers that do not know the password.

import { expect, test } from 'vitest';
import { ScramExchange, scramCredential } from '../auth/scram.ts';
import { ScramClient } from './scram.ts';

const text = (octets: Uint8Array) => new TextDecoder().decode(octets);
const octets = (words: string) => new TextEncoder().encode(words);

async function server(password: string) {
  const credential = await scramCredential(password, 4_096);
  const identity = { principal: 'user', unrestricted: true, validUntil: Number.POSITIVE_INFINITY };
  return new ScramExchange({
    find: () => credential,
    proved: () => identity,
    secret: new Uint8Array(16),
    usualIterations: 4_096,
  });
}

test('[RFC7677-3] the words of the example', async () => {
  // The example's nonce, rOprNGfwEbeRWgbNEkqO, is base64 of these octets.
  const nonce = Uint8Array.from(atob('rOprNGfwEbeRWgbNEkqO'), (c) => c.charCodeAt(0));
  const client = new ScramClient('user', octets('pencil'), nonce);
  expect(client.mechanism).toBe('SCRAM-SHA-256');
  expect(text(await client.next(undefined))).toBe('n,,n=user,r=rOprNGfwEbeRWgbNEkqO');
  const first = 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096';
  expect(text(await client.next(octets(first)))).toBe(
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  );
  await client.next(octets('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='));
});

test('our server lets in who knows the password, and nobody else', async () => {
  for (const [password, kind] of [
    ['right', 'done'],
    ['wrong', 'refused'],
  ]) {
    const hub = await server('right');
    const client = new ScramClient('us=er,1', octets(password!), new Uint8Array(18).fill(7));
    const challenge = await hub.step(await client.next(undefined));
    if (challenge.kind !== 'challenge') throw new Error('no challenge');
    const last = await hub.step(await client.next(challenge.reply));
    expect(last.kind).toBe(kind);
    if (last.kind === 'done') await client.next(last.reply);
  }
});

test.each([
  ['another nonce', 'r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'],
  ['nothing added to ours', 'r=AAAA,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'],
  ['too few iterations', 'r=AAAAx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1'],
  ['iterations without end', 'r=AAAAx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999'],
  ['noise', '\0'],
])('a server that says %s', async (_, said) => {
  const client = new ScramClient('user', octets('pencil'), new Uint8Array(3));
  await client.next(undefined);
  await expect(client.next(octets(said))).rejects.toMatchObject({ code: 'bad-credentials' });
});

test('[RFC5802-3] a server that does not know the password itself', async () => {
  const client = new ScramClient('user', octets('pencil'), new Uint8Array(3));
  await client.next(undefined);
  await client.next(octets('r=AAAAx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'));
  await expect(client.next(octets('v=AAAA'))).rejects.toMatchObject({ code: 'bad-credentials' });
});
