// SIGTERM and SIGHUP to the program itself.

import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { useServers } from '../fault/server.ts';
import { ending } from './running.ts';

const { launch } = useServers();

// MQTT 3.1.1 CONNECT, client id `c`, keep-alive 60 s
const CONNECT = Buffer.from('100d00044d5154540402003c000163', 'hex');

/** A client that stays whatever the server says: it neither closes its side nor answers. */
async function stayer(port: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  ending(() => socket.destroy());
  socket.on('error', () => undefined);
  socket.write(CONNECT);
  await new Promise((resolve) => socket.once('data', resolve));
}

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s says goodbye and waits; the second ends it at once with code 1',
  async (signal) => {
    const server = launch({ durability: 'memory' });
    await stayer(await server.ready);
    server.signal(signal);
    await server.logged('saying goodbye');
    const asked = performance.now();
    const { code } = await server.stop(signal);
    expect(code).toBe(1);
    expect(server.log.at(-1)!.msg).toContain(`${signal} again`);
    // A drain would have taken five seconds.
    expect(performance.now() - asked).toBeLessThan(3_000);
  },
);

test('one SIGTERM, after a SIGHUP: reloaded, then exit code 0', async () => {
  const server = launch({ durability: 'memory' });
  await server.ready;
  server.signal('SIGHUP');
  await server.logged('reloaded');
  expect((await server.stop('SIGTERM')).code).toBe(0);
  expect(server.complaints).toEqual([]);
});
