// The client's room of STOMP against a server that says what a test tells it: the login, receipts, errors, heart-beats and acknowledgements.

import { expect, test } from 'vitest';
import { type Broker, startBroker } from '../../../test/network.ts';
import { Message, NEVER, type Qos } from '../../contract/message.ts';
import type { Delivery, Opened, Refusal, Speaker } from '../../contract/speaker.ts';
import type { MemoryWire } from '../../transport/memory.ts';
import { stompSpeech } from './client.ts';

const octets = (text: string): Uint8Array => new TextEncoder().encode(text);
const NOBODY = { protocol: '', client: '', principal: '' };

class Talk {
  readonly broker: Broker;
  readonly speaker: Speaker;
  readonly deliveries: Delivery[] = [];
  readonly endings: (Refusal | undefined)[] = [];
  opened: Opened | undefined;
  private readonly server: MemoryWire;
  private said = '';

  constructor(broker: Broker, more: { keepAliveMs?: number; settings?: Record<string, string> } = {}) {
    this.broker = broker;
    const end = { remote: '', listener: '' };
    const [wire, server] = broker.network.join('stream', end, end);
    this.server = server;
    server.peer = {
      receive: (bytes, start, to) => {
        this.said += Buffer.from(bytes.subarray(start, to)).toString();
        return to;
      },
      drained: () => {},
      wake: () => {},
      broken: () => {},
      lost: () => {},
    };
    this.speaker = stompSpeech.open(
      wire,
      {
        ...{ host: 'hub', port: 0, path: '/', settings: {}, clientId: 'c', keepAliveMs: 0, ...more },
        ...{
          username: 'anna',
          password: octets('se:cret'),
          clean: true,
          sessionExpiryMs: 0,
          will: undefined,
        },
        receiveMaximum: 7,
        random: (length) => new Uint8Array(length),
        now: () => broker.clock.now,
      },
      {
        opened: (how) => {
          this.opened = how;
        },
        delivered: (d) => this.deliveries.push(d),
        ended: (why) => this.endings.push(why),
      },
    );
    wire.peer = this.speaker;
  }

  /** What the client says to what the server says; its frames, without NULs, one after the other. */
  async hears(...frames: string[]): Promise<string[]> {
    for (const frame of frames) this.server.write(octets(frame));
    await this.broker.clock.advance(0);
    const found = this.said.split('\0').map((frame) => frame.trim());
    this.said = '';
    return found.filter((frame) => frame !== '');
  }

  hangUp(): void {
    this.server.destroy();
  }

  publish(qos: Qos): { readonly why: Refusal | undefined | 'none' } {
    const told: { why: Refusal | undefined | 'none' } = { why: 'none' };
    const m = new Message('a', octets('x'), qos, false, NOBODY, 0, NEVER, undefined);
    this.speaker.publish(m, (why) => {
      told.why = why;
    });
    return told;
  }
}

const CONNECTED = 'CONNECTED\nversion:1.2\nserver:Waymeet\n\n\0';
const receipt = (id: number): string => `RECEIPT\nreceipt-id:${id}\n\n\0`;

async function open(more: ConstructorParameters<typeof Talk>[1] = {}, connected = CONNECTED): Promise<Talk> {
  const talk = new Talk(await startBroker(), more);
  await talk.hears(connected);
  return talk;
}

test('CONNECT says who we are; what was asked before it is answered waits', async () => {
  const talk = new Talk(await startBroker(), { keepAliveMs: 5_000, settings: { host: '/' } });
  const told = talk.publish(1);
  const [connect, ...rest] = await talk.hears();
  expect(connect?.split('\n')).toEqual([
    'CONNECT',
    'accept-version:1.2',
    'host:/',
    'heart-beat:5000,5000',
    'login:anna',
    'passcode:se:cret', // CONNECT alone escapes nothing [STOMP12-value-encoding]
    'client-id:c',
  ]);
  expect(rest).toEqual([]);
  const [send] = await talk.hears(CONNECTED);
  expect(send).toContain('destination:/topic/a');
  expect(told.why).toBe('none');
  await talk.hears(receipt(0));
  expect(told.why).toBeUndefined();
});

test('a login that is refused', async () => {
  const talk = new Talk(await startBroker());
  const told = talk.publish(1);
  await talk.hears('ERROR\nmessage:Bad CONNECT\n\nAccess refused for user\0');
  expect(talk.endings).toMatchObject([{ outcome: 'bad-credentials', reason: 'Access refused for user' }]);
  expect(told.why).toMatchObject({ outcome: 'bad-credentials' });
});

test('a server that speaks an older STOMP', async () => {
  const talk = await open({}, 'CONNECTED\nversion:1.1\n\n\0');
  expect(talk.endings).toMatchObject([{ outcome: 'payload-invalid' }]);
});

test('[STOMP12-error] an error is about the frame whose receipt it names, and ends the connection', async () => {
  const talk = await open();
  const [first, second] = [talk.publish(1), talk.publish(1)];
  await talk.hears(receipt(0), 'ERROR\nmessage:not-authorized\nreceipt-id:1\n\nno\0');
  expect(first.why).toBeUndefined();
  expect(second.why).toMatchObject({ outcome: 'not-authorized', reason: 'no' });
  expect(talk.endings).toHaveLength(1);
});

test('each subscription has its id and window; acknowledgements go by the ack header', async () => {
  const talk = await open();
  const granted: unknown[] = [];
  talk.speaker.subscribe('a/+', 1, (qos) => granted.push(qos));
  talk.speaker.subscribe('b', 0, (qos) => granted.push(qos));
  const [one, two] = await talk.hears(receipt(0), receipt(1));
  expect(one?.split('\n')).toEqual(
    expect.arrayContaining(['id:0', 'destination:/topic/a/+', 'ack:client-individual', 'prefetch-count:7']),
  );
  expect(two?.split('\n')).toEqual(expect.arrayContaining(['id:1', 'ack:auto']));
  expect(granted).toEqual([1, 0]);
  const message = (n: number, id: number) =>
    `MESSAGE\nsubscription:${id}\nmessage-id:m${n}\nack:k${n}\ndestination:/topic/a/${n}\n\nx\0`;
  await talk.hears(message(1, 0), message(2, 0), message(3, 0), message(4, 1), message(5, 9));
  expect(talk.deliveries.map((d) => [d.message.topic, d.id > 0])).toEqual([
    ['a/1', true],
    ['a/2', true],
    ['a/3', true],
    ['a/4', false],
  ]);
  const [first, second, third] = talk.deliveries.map((d) => d.id) as [number, number, number, number];
  talk.speaker.settle(second, 'ok');
  talk.speaker.settle(first, 'busy');
  talk.speaker.settle(third, 'payload-invalid');
  talk.speaker.settle(third, 'ok');
  expect(await talk.hears()).toEqual(['ACK\nid:k2', 'NACK\nid:k1', 'NACK\nid:k3\nrequeue:false']);
});

test('[STOMP12-heart-beating] each way the longer; silence ends it, and calls get the refusal first', async () => {
  const talk = await open({ keepAliveMs: 1_000 }, 'CONNECTED\nversion:1.2\nheart-beat:3000,2000\n\n\0');
  const told = talk.publish(1);
  await talk.hears();
  await talk.broker.clock.advance(5_900);
  expect(talk.endings).toEqual([]);
  await talk.hears('\n');
  await talk.broker.clock.advance(5_900);
  expect(talk.endings).toEqual([]);
  await talk.broker.clock.advance(1_000);
  expect(talk.endings).toMatchObject([{ outcome: 'idle' }]);
  expect(told.why).toMatchObject({ outcome: 'idle' });
});

test('close: DISCONNECT, and the end once its receipt says that all was taken', async () => {
  const talk = await open();
  talk.speaker.close();
  expect(await talk.hears()).toEqual(['DISCONNECT\nreceipt:0']);
  expect(talk.endings).toEqual([]);
  await talk.hears(receipt(0));
  expect(talk.endings).toEqual([undefined]);
});

test('a connection that is lost, and calls after it', async () => {
  const talk = await open();
  const before = talk.publish(1);
  talk.hangUp();
  await talk.broker.clock.advance(0);
  expect(before.why).toMatchObject({ outcome: 'unavailable' });
  expect(talk.endings).toMatchObject([{ outcome: 'unavailable' }]);
  expect(talk.publish(1).why).toMatchObject({ outcome: 'unavailable' });
});

test('elsewhere a place for the answer that is no topic is kept as it is', async () => {
  const talk = await open({}, 'CONNECTED\nversion:1.2\nserver:RabbitMQ/3.10\n\n\0');
  expect(talk.opened?.ability).toMatchObject({ retain: false, shared: false, expiry: false });
  talk.speaker.subscribe('q', 0, () => {});
  await talk.hears(
    receipt(0),
    'MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/topic/a.b\nreply-to:/reply-queue/x\n\n\0',
  );
  expect(talk.deliveries[0]?.message).toMatchObject({
    topic: 'a/b',
    meta: { responseTopic: '/reply-queue/x' },
  });
});
