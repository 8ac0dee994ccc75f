// The integration tests of RabbitMQ's own Go client, as Debian packages them, run against a whole broker.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { useBroker } from './broker.ts';
import { isHere, judgedBy, run } from './tool.ts';

const SOURCE = '/usr/share/gocode/src/github.com/rabbitmq/amqp091-go';
/**
 * Left out: RecoverNotImplemented, which leaks its connection unless the server says that it is RabbitMQ; CorruptedMessage, which gives a busy
 * machine 200 ms a message; unit tests that need no server.
 */
const TESTS =
  '^Test(Integration([^R]|Re[^c])|Quick|Publish|Exchange|RoundTrip|Declare|Deadlock|Repeated|Channel|Concurrent|RabbitMQ|ConsumerCancel|ShouldNot)';

const broker = useBroker(() => ({
  listeners: [{ name: 'amqp', type: 'tcp', host: '127.0.0.1', port: 0, protocols: ['amqp091'] }],
}));

judgedBy(
  [],
  'amqp091-go',
  () => {
    test('its integration tests', async () => {
      const folder = mkdtempSync(path.join(tmpdir(), 'waymeet-go-'));
      try {
        const binary = path.join(folder, 'judge');
        const build = `cd ${SOURCE} && GO111MODULE=off GOPATH=/usr/share/gocode go test -c -tags integration -o ${binary} .`;
        expect(await run(['sh', '-c', build], '', 120_000)).toMatchObject({ code: 0 });
        const url = `amqp://guest:guest@127.0.0.1:${broker.port('amqp')}/`;
        const exit = await run(
          ['env', `AMQP_URL=${url}`, 'sh', '-c', `cd ${SOURCE} && ${binary} -test.run '${TESTS}'`],
          '',
          60_000,
        );
        // The exit code speaks of goroutines that are left over, too: not judged here.
        expect(exit.out).toBe('PASS\n');
      } finally {
        rmSync(folder, { recursive: true });
      }
    }, 200_000);
  },
  missing(),
);

function missing(): string[] {
  const source = existsSync(path.join(SOURCE, 'integration_test.go'));
  return [
    ...(isHere('go') ? [] : ['golang-go']),
    ...(source ? [] : ['golang-github-rabbitmq-amqp091-go-dev']),
  ];
}
