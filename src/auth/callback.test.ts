// The service that is asked over HTTP: what it may answer, how long that is remembered, and that nobody comes in when it fails.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NEVER } from '../contract/message.ts';
import { type CallbackOptions, CallbackProver } from './callback.ts';
import { authCases, identified, loginOf, password } from './case.ts';
import { ChainAuth } from './chain.ts';

type Question = Record<string, unknown>;

/** A service in this process; `answer` says what it does with each question. */
class Service {
  readonly questions: Question[] = [];
  readonly headers: IncomingMessage['headers'][] = [];
  answer: (question: Question, response: ServerResponse) => void = (_question, response) =>
    response.end('{"result":"allow"}');
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk) => {
        text += String(chunk);
      });
      request.on('end', () => {
        const question = JSON.parse(text) as Question;
        this.questions.push(question);
        this.headers.push(request.headers);
        this.answer(question, response);
      });
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/auth`;
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

const OPTIONS: Omit<CallbackOptions, 'url'> = {
  headers: { Authorization: 'Bearer of-the-hub' },
  caFile: undefined,
  timeoutMs: 5_000,
  cacheMs: 60_000,
  refusalMs: 5_000,
  lastsMs: NEVER,
  concurrency: 4,
  now: Date.now,
  log: () => undefined,
};

let service: Service;
let url: string;
beforeEach(async () => {
  service = new Service();
  url = await service.listen();
});
afterEach(() => service.close());

const open = (options: Partial<CallbackOptions> = {}) => new CallbackProver({ ...OPTIONS, url, ...options });
const says = (answer: object) => (_question: Question, response: ServerResponse) => {
  response.end(JSON.stringify(answer));
};
const alice = loginOf({ username: 'alice', password: password('wonder') });

test('it is told who asks, from where, and by whom it is asked', async () => {
  const prover = open();
  await prover.prove(
    loginOf({ username: 'alice', password: Uint8Array.of(0xff), remote: '[2001:db8::1]:5' }),
  );
  expect(service.questions).toEqual([
    {
      username: 'alice',
      password: 'base64:/w==',
      client: 'client-1',
      protocol: 'mqtt',
      listener: 'mqtt',
      address: '[2001:db8::1]',
      certificate: null,
      pskIdentity: null,
    },
  ]);
  expect(service.headers[0]).toMatchObject({ authorization: 'Bearer of-the-hub' });
  prover.close();
});

describe('answers', () => {
  test('groups, rules and an end', async () => {
    service.answer = says({
      result: 'allow',
      user: 'bob',
      groups: ['ops'],
      acl: { publish: ['a'] },
      expiresIn: 60,
    });
    const prover = open({ now: () => 1_000 });
    const auth = await ChainAuth.open({ chain: [prover] });
    const who = await identified(auth, alice);
    expect([who.principal, who.validUntil]).toEqual(['bob', 61_000]);
    expect(['a', 'b'].map((topic) => auth.allows(who, 'c', 'publish', topic))).toEqual([true, false]);
    prover.close();
  });

  test.each<[string, (question: Question, response: ServerResponse) => void, unknown]>([
    ['deny', says({ result: 'deny' }), 'bad-credentials'],
    ['ignore: the next is asked', says({ result: 'ignore' }), undefined],
    ['401', (_q, r) => r.writeHead(401).end(), 'bad-credentials'],
    ['500', (_q, r) => r.writeHead(500).end('{"result":"allow"}'), 'unavailable'],
    ['a redirect', (_q, r) => r.writeHead(302, { Location: '/else' }).end(), 'unavailable'],
    ['no JSON', (_q, r) => r.end('allow'), 'unavailable'],
    ['no result', says({ allow: true }), 'unavailable'],
    ['rules that are none', says({ result: 'allow', acl: { publish: 7 } }), 'unavailable'],
    ['a name that is none', says({ result: 'allow', user: 'a\nb' }), 'unavailable'],
    ['an end that is none', says({ result: 'allow', expiresAt: 'soon' }), 'unavailable'],
    ['too much', (_q, r) => r.end(`{"result":"allow","x":"${'x'.repeat(300_000)}"}`), 'unavailable'],
    ['the line cut', (_q, r) => r.destroy(), 'unavailable'],
  ])('%s', async (_what, answer, outcome) => {
    service.answer = answer;
    const prover = open();
    expect(await prover.prove(alice)).toBe(outcome);
    prover.close();
  });

  test('none in time, or nobody there: nobody comes in', async () => {
    service.answer = () => undefined;
    const slow = open({ timeoutMs: 50 });
    expect(await slow.prove(alice)).toBe('unavailable');
    slow.close();
    const gone = open({ url: 'http://127.0.0.1:1/' });
    expect(await gone.prove(alice)).toBe('unavailable');
    gone.close();
  });
});

describe('what is remembered', () => {
  test('an answer for its time, a refusal for its own, a failure never', async () => {
    let now = 0;
    const prover = open({ now: () => now });
    const ask = async () => {
      await prover.prove(alice);
      return service.questions.length;
    };
    expect([await ask(), await ask()]).toEqual([1, 1]);
    now = 60_001;
    service.answer = says({ result: 'deny' });
    expect([await ask(), await ask()]).toEqual([2, 2]);
    now += 5_001;
    service.answer = (_q, response) => response.writeHead(503).end();
    expect([await ask(), await ask()]).toEqual([3, 4]);
    prover.close();
  });

  test('a thousand at once with the same proof ask once, another password asks anew, a reload forgets', async () => {
    const prover = open();
    await Promise.all(Array.from({ length: 1_000 }, () => prover.prove(alice)));
    expect(service.questions).toHaveLength(1);
    await prover.prove(loginOf({ username: 'alice', password: password('other') }));
    expect(service.questions).toHaveLength(2);
    await prover.reload();
    await prover.prove(alice);
    expect(service.questions).toHaveLength(3);
    prover.close();
  });

  test('no longer than the proof is good', async () => {
    let now = 0;
    service.answer = says({ result: 'allow', expiresIn: 1 });
    const prover = open({ now: () => now });
    await prover.prove(alice);
    now = 1_001;
    await prover.prove(alice);
    expect(service.questions).toHaveLength(2);
    prover.close();
  });
});

test('so many questions at once and no more; beyond those that wait, busy', async () => {
  const held: ServerResponse[] = [];
  let most = 0;
  service.answer = (_q, response) => {
    held.push(response);
    most = Math.max(most, held.length);
    setImmediate(() => held.shift()!.end('{"result":"allow"}'));
  };
  const prover = open({ concurrency: 2 });
  const answers = await Promise.all(
    Array.from({ length: 2_100 }, (_, i) =>
      prover.prove(loginOf({ username: `u${i}`, password: password('p') })),
    ),
  );
  expect(most).toBeLessThanOrEqual(2);
  expect(answers.filter((answer) => answer === 'busy').length).toBe(98);
  prover.close();
});

authCases('a service over HTTP', async () => {
  const lasting = new Service();
  const at = await lasting.listen();
  lasting.answer = (question, response) =>
    says({ result: question.password === 'wonder' ? 'allow' : 'deny' })(question, response);
  const auth = await ChainAuth.open({ chain: [open({ url: at })] });
  const bad = ['', 'Wonder'].map((text) => loginOf({ username: 'alice', password: password(text) }));
  return { auth, good: alice, principal: 'alice', bad, reload: () => auth.reload() };
});
