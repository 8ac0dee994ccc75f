// The commands of a client against a hub with real sockets: asking, answering, working, trying a broker out, and their exit codes.

import { PassThrough, Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { unique, useBroker } from '../../test/judges/broker.ts';
import { Inbox } from '../../test/judges/inbox.ts';
import type { Io } from './io.ts';
import { run } from './program.ts';

const broker = useBroker(() => ({
  listeners: [{ name: 'tcp', type: 'tcp', host: '127.0.0.1', port: 0 }],
}));

/** One command; `lines` are what it prints. */
function start(...words: readonly (string | number)[]) {
  const lines = new Inbox<string>('lines');
  const text = { out: '', errors: '' };
  let stop: (why: string) => void = () => {};
  const output = new PassThrough();
  output.on('data', (chunk: Buffer) => {
    text.out += chunk.toString();
    for (const line of chunk.toString().split('\n')) if (line !== '') lines.push(line);
  });
  const complaints = new PassThrough();
  complaints.on('data', (chunk: Buffer) => {
    text.errors += chunk.toString();
  });
  const io: Io = {
    input: Readable.from([]),
    output,
    errors: complaints,
    environment: { PATH: process.env.PATH },
    folder: broker.folder,
    stopAsked: () =>
      new Promise((resolve) => {
        stop = resolve;
      }),
    onReload: () => {},
    onStop: () => {},
  };
  const code = run(words.map(String), '0', io);
  return { lines, text, code, stop: () => stop('SIGINT') };
}

const here = () => ['-h', '127.0.0.1', '-p', broker.port('tcp')] as const;

test('mosquitto_pub and mosquitto_sub as they are known', async () => {
  const topic = unique('flags');
  const sent = [
    '-t',
    topic,
    '-m',
    'x',
    '-q',
    1,
    '-r',
    '-u',
    'name',
    '-P',
    'word',
    '-i',
    topic,
    '-k',
    10,
    '-V',
    'mqttv5',
  ];
  expect(await start('pub', ...here(), ...sent).code).toBe(0);
  const sub = start('sub', ...here(), '-t', topic, '-C', 1, '-W', 10, '-V', 311, '-F', '%t %p %r');
  expect(await sub.code).toBe(0);
  expect(sub.text.out).toBe(`${topic} x 1\n`);
});

test('exit codes: 1 failed, 2 usage and what the protocol cannot, 3 timed out', async () => {
  const topic = unique('codes');
  expect(await start('pub', '-h', '127.0.0.1', '-p', 1, '-t', topic, '-m', 'x').code).toBe(1);
  expect(await start('pub', ...here(), '-t', topic).code).toBe(2);
  expect(await start('pub', ...here(), '-t', topic, '-m', 'x', '-V', 311, '--content-type', 'a/b').code).toBe(
    2,
  );
  expect(await start('sub', ...here(), '-t', topic, '-W', 1).code).toBe(3);
});

test('req and respond: the answer is what a command writes', async () => {
  const topic = unique('upper');
  const desk = start('respond', ...here(), '-t', topic, '--exec', 'tr a-z A-Z', '-C', 2);
  let asked = start('req', ...here(), '-t', topic, '-m', 'hello', '-W', 5);
  // Until somebody listens the broker says that nobody does.
  while ((await asked.code) === 1) asked = start('req', ...here(), '-t', topic, '-m', 'hello', '-W', 5);
  expect(asked.text.out).toBe('HELLO\n');
  const survey = start(
    'survey',
    ...here(),
    '-t',
    topic,
    '-m',
    'all',
    '-W',
    2,
    '--expect',
    'absent',
    '--json',
  );
  expect(await survey.code).toBe(3);
  expect(JSON.parse(survey.text.out)).toMatchObject({ payload: 'ALL' });
  expect(survey.text.errors).toContain('no answer from absent');
  expect(await desk.code).toBe(0);
});

test('work: jobs are done, and a failed one ends with the dead', async () => {
  const queue = unique('jobs').replaceAll('/', '-');
  for (const job of ['one', 'bad', 'two'])
    expect(await start('pub', ...here(), '-t', `$queue/${queue}`, '-m', job, '-q', 1, '--quiet').code).toBe(
      0,
    );
  const dead = start('sub', ...here(), '-t', `dead/${queue}`, '-C', 1, '-F', '%p');
  const exec = 'read job; echo $job; test $job != bad';
  const worker = start('work', queue, ...here(), '--exec', exec, '--tries', 2, '-C', 2);
  expect(await worker.code).toBe(0);
  expect(worker.text.out).toBe('one\ntwo\n');
  const rest = start('work', queue, ...here(), '--exec', exec, '--tries', 2);
  expect(await dead.lines.next()).toBe('bad');
  rest.stop();
  expect(await rest.code).toBe(0);
});

test('test: what a broker supports', async () => {
  const tried = start('test', ...here(), '--json');
  expect(await tried.code).toBe(0);
  const findings = tried.text.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { question: string; works: boolean });
  expect(findings.filter((f) => !f.works)).toEqual([]);
  expect(findings.map((f) => f.question)).toContain('connects with MQTT 3.1');
});
