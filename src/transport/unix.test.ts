// Unix-socket listeners: who is there, what a dead process leaves behind, and file modes.

import { link, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { countingHub, LineProtocol, listenerOptions, until } from '../../test/transport/line.ts';
import { LineClient } from '../../test/transport/line-client.ts';
import type { Listener } from './listener.ts';
import { listenUnix } from './unix.ts';

let folder: string;
let listener: Listener | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unix-'));
});

afterEach(async () => {
  await listener?.close();
  await listener?.ended(0);
  listener = undefined;
  await rm(folder, { recursive: true });
});

describe.each([
  ['bare handles', true],
  ['sockets', false],
])('unix socket over %s', (_name, raw) => {
  test('speaks, and closes', async () => {
    const path = join(folder, 'hub.sock');
    const protocol = new LineProtocol();
    listener = await listenUnix([protocol], countingHub(), { ...listenerOptions(), path, raw, mode: 0o600 });
    expect(listener.address).toBe(`line+unix://${path}`);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const client = new LineClient(connect(path));
    client.send('who\n');
    expect(JSON.parse(await client.line())).toMatchObject({ remote: 'unix', secure: false });
    expect(protocol.peers[0]!.wire.constructor.name).toBe(raw ? 'RawWire' : 'SocketWire');
    client.send('end\n');
    expect(await client.line()).toBe('bye');
    await client.gone();
    await until(() => protocol.peers[0]!.lost_ === 1, 'lost');
  });
});

test('a socket file that nobody listens on is replaced; one that is in use, or no socket, is an error', async () => {
  const path = join(folder, 'hub.sock');
  const options = { ...listenerOptions(), path };
  // A server that is closed by the end of its process leaves its file; a hard link survives an orderly close as well.
  const dead = createServer().listen(join(folder, 'dead.sock'));
  await until(() => dead.listening, 'the first server');
  await link(join(folder, 'dead.sock'), path);
  dead.close();
  listener = await listenUnix([new LineProtocol()], countingHub(), options);
  await expect(listenUnix([new LineProtocol()], countingHub(), options)).rejects.toMatchObject({
    code: 'EADDRINUSE',
  });
  const file = join(folder, 'file');
  await writeFile(file, 'precious');
  await expect(
    listenUnix([new LineProtocol()], countingHub(), { ...options, path: file }),
  ).rejects.toMatchObject({ code: 'EADDRINUSE' });
});
