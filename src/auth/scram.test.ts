import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { ExchangeStep, Identity } from '../contract/auth.ts';
import { NEVER } from '../contract/message.ts';
import { formatScram, parseScram, type ScramCredential, ScramExchange, scramCredential } from './scram.ts';

const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const pencil = await scramCredential('pencil', 4_096, salt);
const identityOf = (principal: string): Identity => ({ principal, unrestricted: true, validUntil: NEVER });

function server(
  users: Record<string, ScramCredential>,
  nonce = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
): ScramExchange {
  return new ScramExchange({
    secret: Buffer.alloc(32, 1),
    find: (name) => users[name],
    proved: (name) => (name === 'gone' ? 'bad-credentials' : identityOf(name)),
    usualIterations: 5_000,
    nonce: () => nonce,
  });
}

const say = (exchange: ScramExchange, text: string): Promise<ExchangeStep> =>
  exchange.step(Buffer.from(text));

function replyOf(step: ExchangeStep): string {
  return step.kind === 'refused' ? `refused ${step.why}` : Buffer.from(step.reply!).toString();
}

/** A client, written from RFC 5802 on its own. */
function clientFinal(
  first: string,
  challenge: string,
  pass: string,
  change: { binding?: string; nonce?: string } = {},
): string {
  const [, nonce, salt64, iterations] = /^r=(.*),s=(.*),i=(\d+)$/.exec(challenge)!;
  const [, header, bare] = /^([^,]*,[^,]*,)(.*)$/.exec(first)!;
  const mac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const salted = pbkdf2Sync(pass, Buffer.from(salt64!, 'base64'), Number(iterations), 32, 'sha256');
  const clientKey = mac(salted, 'Client Key');
  const binding = Buffer.from(change.binding ?? header!).toString('base64');
  const without = `c=${binding},r=${change.nonce ?? nonce}`;
  const stored = createHash('sha256').update(clientKey).digest();
  const signature = mac(stored, `${bare},${challenge},${without}`);
  return `${without},p=${Buffer.from(clientKey.map((o, i) => o ^ signature[i]!)).toString('base64')}`;
}

test('[RFC7677-3] the example exchange', async () => {
  const exchange = server({ user: pencil });
  expect(replyOf(await say(exchange, 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO'))).toBe(
    'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  );
  const done = await say(
    exchange,
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  );
  expect(replyOf(done)).toBe('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
  expect(done).toMatchObject({ kind: 'done', identity: { principal: 'user' } });
  expect(await say(exchange, 'n,,n=user,r=again')).toEqual({ kind: 'refused', why: 'bad-credentials' });
});

test('[RFC5802-5] the example exchange of SCRAM-SHA-1', async () => {
  const known = await scramCredential(
    'pencil',
    4_096,
    Buffer.from('QSXCR+Q6sek8bf92', 'base64'),
    'SCRAM-SHA-1',
  );
  expect(parseScram(formatScram(known))).toEqual(known);
  const exchange = new ScramExchange(
    {
      secret: Buffer.alloc(32, 1),
      find: () => known,
      proved: identityOf,
      usualIterations: 5_000,
      nonce: () => '3rfcNHYJY1ZVvWVs7j',
    },
    'SCRAM-SHA-1',
  );
  const nonce = 'fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j';
  expect(replyOf(await say(exchange, 'n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL'))).toBe(
    `r=${nonce},s=QSXCR+Q6sek8bf92,i=4096`,
  );
  const done = await say(exchange, `c=biws,r=${nonce},p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=`);
  expect(replyOf(done)).toBe('v=rmF9pqV8S7suAoZWja4dJRkFsKQ=');
});

describe('the first message', () => {
  const users = { user: pencil, 'a,b=c': pencil, IX: pencil };
  const accepted: [text: string, name: string][] = [
    ['n,,n=user,r=abc', 'user'],
    ['y,,n=user,r=abc', 'user'],
    ['n,a=user,n=user,r=abc', 'user'],
    ['n,,n=user,r=abc,x=future', 'user'],
    ['n,,n=a=2Cb=3Dc,r=abc', 'a,b=c'],
    ['n,,n=I\u00adX,r=abc', 'IX'],
    ['n,,n=\u2168,r=abc', 'IX'],
  ];
  for (const [text, name] of accepted) {
    test(`${text} is ${name}`, async () => {
      const exchange = server(users);
      const challenge = replyOf(await say(exchange, text));
      const done = await say(exchange, clientFinal(text, challenge, 'pencil'));
      expect(done).toMatchObject({ kind: 'done', identity: { principal: name } });
    });
  }

  const turnedAway: [text: string, why: string][] = [
    ['p=tls-unique,,n=user,r=abc', 'bad-authentication-method'],
    ['n,,m=x,n=user,r=abc', 'bad-authentication-method'],
    ['n,a=admin,n=user,r=abc', 'not-authorized'],
    ['n,,n=us=er,r=abc', 'bad-credentials'],
    ['n,,n=us=2cer,r=abc', 'bad-credentials'],
    ['n,,n=,r=abc', 'bad-credentials'],
    ['n,,n=us\u0007er,r=abc', 'bad-credentials'],
    ['n,,n=user,r=', 'bad-credentials'],
    ['n,,n=user,r=a b', 'bad-credentials'],
    ['n,,n=user', 'bad-credentials'],
    ['n,n=user,r=abc', 'bad-credentials'],
    ['x,,n=user,r=abc', 'bad-credentials'],
    ['n,,n=us\0er,r=abc', 'bad-credentials'],
    [`n,,n=user,r=${'a'.repeat(5_000)}`, 'bad-credentials'],
    ['', 'bad-credentials'],
  ];
  for (const [text, why] of turnedAway) {
    test(`${JSON.stringify(text.slice(0, 40))}: ${why}`, async () => {
      const exchange = server(users);
      expect(await say(exchange, text)).toEqual({ kind: 'refused', why });
      expect(await say(exchange, 'n,,n=user,r=abc')).toMatchObject({ kind: 'refused' });
    });
  }

  test('octets that are not UTF-8', async () => {
    const step = await server(users).step(
      Buffer.from([0x6e, 0x2c, 0x2c, 0x6e, 0x3d, 0xff, 0x2c, 0x72, 0x3d, 0x61]),
    );
    expect(step).toEqual({ kind: 'refused', why: 'bad-credentials' });
  });
});

describe('the final message', () => {
  const first = 'n,,n=user,r=abc';
  async function finalAfter(make: (challenge: string) => string, text = first): Promise<ExchangeStep> {
    const exchange = server({ user: pencil, gone: pencil });
    return say(exchange, make(replyOf(await say(exchange, text))));
  }
  const no = { kind: 'refused', why: 'bad-credentials' };

  test('a wrong password', async () => {
    expect(await finalAfter((c) => clientFinal(first, c, 'pencils'))).toEqual(no);
  });
  test('[RFC5802-6] another GS2 header than in the first: somebody between us', async () => {
    expect(await finalAfter((c) => clientFinal(first, c, 'pencil', { binding: 'y,,' }))).toEqual(no);
  });
  test('another nonce', async () => {
    expect(await finalAfter((c) => clientFinal(first, c, 'pencil', { nonce: 'abc' }))).toEqual(no);
  });
  test('a proof of another length, and none', async () => {
    expect(await finalAfter((c) => clientFinal(first, c, 'pencil').replace(/p=.*/, 'p=YWJj'))).toEqual(no);
    expect(await finalAfter((c) => clientFinal(first, c, 'pencil').replace(/,p=.*/, ''))).toEqual(no);
  });
  test('a user who is gone meanwhile', async () => {
    const text = 'n,,n=gone,r=abc';
    expect(await finalAfter((c) => clientFinal(text, c, 'pencil'), text)).toEqual(no);
  });
  test('an unknown user gets a challenge like anybody, the same each time, and never in', async () => {
    const text = 'n,,n=nobody,r=abc';
    const challenge = replyOf(await say(server({}), text));
    expect(challenge).toMatch(/^r=abc.*,s=[\w+/]{22}==,i=5000$/);
    expect(replyOf(await say(server({}), text))).toBe(challenge);
    expect(await finalAfter((c) => clientFinal(text, c, ''), text)).toEqual(no);
  });
});

describe('the credential as text', () => {
  test('there and back', () => {
    const text = formatScram(pencil);
    expect(text).toMatch(/^SCRAM-SHA-256\$4096:W22ZaJ0SNY7soEsUEjb6gQ==\$[\w+/=]{44}:[\w+/=]{44}$/);
    expect(formatScram(parseScram(text)!)).toBe(text);
  });
  test('[RFC7677-4] fewer than 4096 iterations are refused; so is damage', async () => {
    const text = formatScram(pencil);
    for (const bad of [
      text.replace('4096', '4095'),
      text.slice(0, -4),
      text.replace('SCRAM', 'SCRUM'),
      text.replace(/:W22[^$]*/, ':'),
    ]) {
      expect(parseScram(bad)).toBeUndefined();
    }
    await expect(scramCredential('x', 4_095)).rejects.toThrow('4096');
  });
  test('[RFC4013] passwords that look alike are alike', async () => {
    const keys = await Promise.all(['IX', '\u2168', 'I\u00adX'].map((p) => scramCredential(p, 4_096, salt)));
    expect(new Set(keys.map((k) => formatScram(k))).size).toBe(1);
  });
});
