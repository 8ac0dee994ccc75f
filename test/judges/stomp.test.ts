// STOMP as others speak it: stomp.py and Net::Stomp of Debian, @stomp/stompjs over WebSocket.

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { Client, type IMessage, Versions } from '@stomp/stompjs';
import { afterEach, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { unique, useBroker } from './broker.ts';
import { Inbox, PATIENCE_MS } from './inbox.ts';
import { isHere, judgedBy, run } from './tool.ts';

const PYTHON = '/usr/bin/python3';
const CASES: Readonly<Record<string, readonly string[]>> = {
  there_and_back: ['1.0', '1.1', '1.2'],
  acknowledging: ['1.0', '1.1', '1.2'],
  refusing: ['1.1', '1.2'],
  transactions: ['1.0', '1.1', '1.2'],
  heartbeats: ['1.2'],
  errors: ['1.2'],
};

const broker = useBroker();

function missing(): string[] {
  if (!isHere(PYTHON)) return ['python3'];
  const found = spawnSync(PYTHON, ['-c', 'import stomp']).status === 0;
  return [...(found ? [] : ['python3-stomp']), ...(isHere('stdbuf') ? [] : ['stdbuf'])];
}

judgedBy(
  [],
  'stomp.py',
  () => {
    describe.concurrent.each(Object.entries(CASES))('%s', (name, versions) => {
      test.each(versions)(
        'STOMP %s',
        async (version) => {
          const script = path.join(import.meta.dirname, 'stomp-cases.py');
          const exit = await run([PYTHON, script, name, `${broker.port()}`, version], '', 3 * PATIENCE_MS);
          expect(exit).toMatchObject({ code: 0, out: 'ok\n' });
        },
        4 * PATIENCE_MS,
      );
    });
  },
  missing(),
);

const isPerlHere = spawnSync('perl', ['-MNet::Stomp', '-e', '1']).status === 0;

judgedBy(
  [],
  'Net::Stomp',
  () => {
    test('receipts, transactions, acknowledgements, what goes back', async () => {
      const script = path.join(import.meta.dirname, 'net-stomp-case.pl');
      const exit = await run(['perl', script, `${broker.port()}`], '', 3 * PATIENCE_MS);
      expect(exit).toEqual({ code: 0, out: 'ok\n', errors: '' });
    });
  },
  isPerlHere ? [] : ['libnet-stomp-perl'],
);

describe('stompjs', () => {
  const clients: Client[] = [];
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.deactivate()));
  });

  async function connect(version: string, more: object = {}): Promise<Client> {
    const offered = new Versions([version]);
    const url = `ws://127.0.0.1:${broker.port('ws')}/stomp`;
    const connected = new Inbox<string>('connections');
    const client = new Client({
      webSocketFactory: () =>
        new WebSocket(url, offered.protocolVersions()) as unknown as globalThis.WebSocket,
      stompVersions: offered,
      reconnectDelay: 0,
      onConnect: (frame) => connected.push(frame.headers.version!),
      ...more,
    });
    clients.push(client);
    client.activate();
    expect(await connected.next()).toBe(version);
    return client;
  }

  function subscribe(client: Client, destination: string, headers = {}): Inbox<IMessage> {
    const inbox = new Inbox<IMessage>(`messages of ${destination}`);
    client.subscribe(destination, (m) => inbox.push(m), headers);
    return inbox;
  }

  test.each(['1.0', '1.1', '1.2'])('%s: text and octets there and back', async (version) => {
    const client = await connect(version);
    const destination = `/topic/${unique('stompjs')}`;
    const inbox = subscribe(client, destination);
    client.publish({ destination, body: 'Wärme', headers: { custom: 'x' } });
    const m = await inbox.next();
    expect([m.body, m.headers.custom]).toEqual(['Wärme', 'x']);
    client.publish({ destination, binaryBody: Uint8Array.of(0, 255, 0) });
    expect(Buffer.from((await inbox.next()).binaryBody)).toEqual(Buffer.from([0, 255, 0]));
  });

  test.each([false, true])('a large body, in binary frames: %s', async (forceBinaryWSFrames) => {
    const client = await connect('1.2', { forceBinaryWSFrames, splitLargeFrames: true });
    const destination = `/topic/${unique('stompjs')}`;
    const inbox = subscribe(client, destination);
    const body = 'ä'.repeat(200_000);
    client.publish({ destination, body });
    expect((await inbox.next()).body === body).toBe(true);
  });

  test('acknowledgements, NACK, receipts and transactions', async () => {
    const client = await connect('1.2');
    const destination = `/queue/${unique('stompjs')}`;
    const inbox = subscribe(client, destination, { ack: 'client-individual' });
    const receipts = new Inbox<string>('receipts');
    client.watchForReceipt('sent', () => receipts.push('sent'));
    const tx = client.begin();
    client.publish({ destination, body: '1', headers: { transaction: tx.id, receipt: 'sent' } });
    expect(await receipts.next()).toBe('sent');
    expect(inbox.all()).toEqual([]);
    tx.commit();
    const first = await inbox.next();
    first.nack();
    const again = await inbox.next();
    expect([again.body, again.headers.redelivered]).toEqual(['1', 'true']);
    again.ack();
  });

  test('heart-beats of both sides keep it', async () => {
    const said = new Inbox<string>('lines that stompjs logs');
    const debug = (line: string): void => said.push(line);
    const client = await connect('1.2', { heartbeatIncoming: 1_000, heartbeatOutgoing: 1_000, debug });
    for (let beats = 0; beats < 3; beats++) await said.find((line) => line === '<<< PONG');
    const inbox = subscribe(client, '/topic/beats');
    client.publish({ destination: '/topic/beats', body: 'alive' });
    expect((await inbox.next()).body).toBe('alive');
  });
});
