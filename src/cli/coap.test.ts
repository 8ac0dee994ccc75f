// `waymeet pub` and `sub` over CoAP against a hub with real sockets.

import { PassThrough, Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { unique, useBroker } from '../../test/judges/broker.ts';
import { Inbox } from '../../test/judges/inbox.ts';
import type { Io } from './io.ts';
import { run } from './program.ts';

const local = { host: '127.0.0.1', port: 0 };
const broker = useBroker(() => ({
  listeners: [
    { name: 'udp', type: 'udp', ...local },
    { name: 'tcp', type: 'tcp', ...local },
  ],
}));

/** One command; `lines` are what it prints. */
function start(args: readonly string[]) {
  const lines = new Inbox<string>('lines');
  let errors = '';
  const output = new PassThrough();
  output.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().split('\n')) if (line !== '') lines.push(line);
  });
  const complaints = new PassThrough();
  complaints.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const io: Io = {
    input: Readable.from([]),
    output,
    errors: complaints,
    environment: {},
    folder: broker.folder,
    stopAsked: () => new Promise(() => {}),
    onReload: () => {},
    onStop: () => {},
  };
  return { lines, errors: () => errors, code: run(args, '0', io) };
}

describe.each(['coap', 'coap+tcp'])('%s', (scheme) => {
  const url = (path: string) =>
    `${scheme}://127.0.0.1:${broker.port(scheme === 'coap' ? 'udp' : 'tcp')}${path}`;

  test('what one publishes the other prints, the retained value first', async () => {
    const topic = unique('cli');
    expect(await start(['pub', url(`/t/${topic}`), '-r', '-m', 'kept']).code).toBe(0);
    const sub = start(['sub', url(`/t/${topic}`), '-C', '3']);
    expect(await sub.lines.next()).toBe('kept');
    expect(await start(['pub', '-L', url('/'), '-t', topic, '-m', 'x'.repeat(3_000)]).code).toBe(0);
    expect(await sub.lines.next()).toBe('x'.repeat(3_000));
    expect(await start(['pub', url(`/t/${topic}`), '-m', 'last', '-q', '1']).code).toBe(0);
    expect(await sub.lines.next()).toBe('last');
    expect(await sub.code).toBe(0);
  });

  test('wildcards: each message with its topic and properties', async () => {
    const root = unique('wild');
    await start(['pub', url(`/t/${root}/a`), '-r', '-m', '{}', '--content-type', 'application/json']).code;
    const sub = start(['sub', '-L', url('/'), '-t', `${root}/#`, '-C', '1', '--json']);
    expect(JSON.parse(await sub.lines.next())).toMatchObject({
      topic: `${root}/a`,
      payload: '{}',
      contentType: 'application/json',
    });
  });

  test('refused: the code and the reason are said', async () => {
    const pub = start(['pub', url('/t/a/+'), '-m', 'x']);
    expect([await pub.code, pub.errors()]).toEqual([1, expect.stringContaining('no topic')]);
    const sub = start(['sub', url('/nothing')]);
    expect([await sub.code, sub.errors()]).toEqual([1, expect.stringContaining('4.04')]);
  });
});

test('a scheme that is not spoken', async () => {
  const pub = start(['pub', 'gopher://localhost/t/a', '-t', 'a', '-m', 'x']);
  expect([await pub.code, pub.errors()]).toEqual([
    2,
    expect.stringContaining('nobody here speaks gopher://'),
  ]);
});
