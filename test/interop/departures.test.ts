// Why a client left, as its history tells it: in every protocol that has connections, for every reason that there is.

import { describe, expect, test } from 'vitest';
import { History, type HistoryEntry } from '../../src/admin/history.ts';
import type { ClientView } from '../../src/contract/inspect.ts';
import { encodeFrame } from '../../src/protocol/amqp1/frames.ts';
import { CLOSE, OPEN } from '../../src/protocol/amqp1/packet.ts';
import { encodeMethod } from '../../src/protocol/amqp091/encode.ts';
import { Amqp1Client } from '../amqp1-client.ts';
import { Amqp091Client } from '../amqp091-client.ts';
import { CoapTestClient } from '../coap-client.ts';
import { connectPacket, MqttClient, publishPacket } from '../mqtt-client.ts';
import { SnDevice, sn } from '../mqttsn-device.ts';
import { type Broker, type BrokerOptions, hex, type RawClient, startBroker } from '../network.ts';
import { StompClient } from '../stomp-client.ts';
import { XmppClient } from '../xmpp-client.ts';

/** Longer than any of these clients may be silent. */
const LONG_MS = 600_000;
const text = (s: string): Uint8Array => new TextEncoder().encode(s);

interface Guest {
  readonly name: string;
  /** Logs in, with a short keep-alive where there is one. */
  come(broker: Broker): Promise<RawClient>;
  /** Nobody notices a loss before the silence. */
  readonly datagrams?: true;
  /** Undefined: it goes without a word. */
  readonly goodbye?: Uint8Array;
  /** What no client may say; undefined: such datagrams are ignored. */
  readonly nonsense?: Uint8Array;
  /** Its connection may be silent for as long as it likes. */
  readonly patient?: true;
  /** Asks for the messages of `flood`; undefined: too many of them end no connection. */
  readonly subscribe?: Uint8Array;
  /** Not nonsense, but at the wrong time. */
  readonly misplaced?: Uint8Array;
}

const GUESTS: readonly Guest[] = [
  {
    name: 'MQTT',
    async come(broker) {
      const c = new MqttClient(broker, 5);
      c.send(connectPacket(5, 'leaver', { keepAlive: 10 }));
      await c.settled();
      return c.raw;
    },
    goodbye: hex('e0 00'),
    nonsense: hex('00 00'),
    misplaced: hex('d0 00'),
    subscribe: hex('82 0b 00 01 00 00 05 66 6c 6f 6f 64 00'),
  },
  {
    name: 'waymeet.v1',
    async come(broker) {
      const raw = broker.connect({ protocol: 'waymeet.v1' });
      raw.send(text('{"type":"connect","keepAliveMs":10000}'));
      await broker.clock.advance(0);
      return raw;
    },
    goodbye: text('{"type":"disconnect"}'),
    nonsense: text('nonsense'),
    misplaced: text('{"type":"connect"}'),
    subscribe: text('{"type":"subscribe","filter":"flood"}'),
  },
  {
    name: 'STOMP',
    come: async (broker) => {
      const c = new StompClient(broker);
      c.say('CONNECT', { 'accept-version': '1.2', host: 'h', 'heart-beat': '10000,10000' });
      await broker.clock.advance(0);
      return c.raw;
    },
    goodbye: text('DISCONNECT\n\n\0'),
    nonsense: text('NONSENSE\n\n\0'),
    subscribe: text('SUBSCRIBE\nid:1\ndestination:/topic/flood\n\n\0'),
    misplaced: text('COMMIT\ntransaction:never\n\n\0'),
  },
  {
    name: 'AMQP 0-9-1',
    come: async (broker) => (await new Amqp091Client(broker).open(10)).raw,
    goodbye: encodeMethod(0, {
      name: 'connection.close',
      replyCode: 200,
      replyText: '',
      classId: 0,
      methodId: 0,
    }),
    nonsense: hex('09 0000 00000000 ce'),
    misplaced: encodeMethod(7, { name: 'basic.qos', prefetchSize: 0, prefetchCount: 1, global: false }),
  },
  {
    name: 'AMQP 1.0',
    come: async (broker) => (await new Amqp1Client(broker).open()).raw,
    goodbye: encodeFrame(0, { kind: CLOSE }),
    nonsense: hex('00000001 02000000'),
    misplaced: encodeFrame(0, { kind: OPEN, containerId: 'again' }),
  },
  {
    name: 'XMPP',
    come: async (broker) => (await XmppClient.connect(broker, 'leaver')).raw,
    goodbye: text('</stream:stream>'),
    nonsense: text('<a b=c/>'),
    subscribe: text(
      `<iq type='set' id='s' to='pubsub.h'><pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='flood' jid='leaver@h/r'/></pubsub></iq>`,
    ),
    misplaced: text('<nonsense xmlns="nowhere"/>'),
  },
  {
    name: 'MQTT-SN',
    datagrams: true,
    come: async (broker) => {
      const device = new SnDevice(broker);
      await device.connect('leaver', { seconds: 10 });
      return device.raw;
    },
    goodbye: sn('DISCONNECT'),
    subscribe: sn('SUBSCRIBE', [0, 1], 'flood'),
  },
  {
    name: 'CoAP over UDP',
    datagrams: true,
    come: async (broker) => {
      const c = new CoapTestClient(broker);
      c.request('PUT /t/a', { payload: '1' });
      await broker.clock.advance(0);
      return c.raw;
    },
  },
  {
    name: 'CoAP over TCP',
    come: async (broker) => {
      const c = new CoapTestClient(broker, {}, undefined, 'coap+tcp');
      c.raw.send(hex('00 e1'));
      c.request('PUT /t/a', { payload: '1' });
      await broker.clock.advance(0);
      return c.raw;
    },
    goodbye: hex('00 e4'),
    nonsense: hex('0f 01'),
    patient: true,
  },
];

/** A client's last entry, after `part` was done to it. */
async function departed(
  guest: Guest,
  part: (raw: RawClient, broker: Broker, client: ClientView) => unknown,
  options: BrokerOptions = {},
): Promise<HistoryEntry> {
  const broker = await startBroker(options);
  const history = new History(broker.hub.inspection);
  const raw = await guest.come(broker);
  const [client] = [...broker.hub.inspection.clients()];
  await part(raw, broker, client!);
  await broker.clock.advance(LONG_MS);
  return history.of(client!.protocol, client!.client)!.at(-1)!;
}

const LEFT = { kind: 'disconnected', graceful: true };

describe.each(GUESTS)('$name', (guest) => {
  const { datagrams = false, goodbye, nonsense, misplaced, subscribe, patient = false } = guest;

  if (goodbye !== undefined)
    test('it says goodbye: no reason', async () => {
      const entry = await departed(guest, (raw) => raw.send(goodbye));
      expect(entry).toMatchObject(LEFT);
      expect(entry.reason).toBeUndefined();
    });

  test('its connection is lost: no reason', async () => {
    const { kind, reason } = await departed(guest, (raw) => raw.cut());
    expect([kind, reason]).toEqual(['disconnected', datagrams ? 'idle' : undefined]);
  });

  if (!patient)
    test('it is silent', async () => {
      expect(await departed(guest, () => undefined)).toMatchObject({ kind: 'disconnected', reason: 'idle' });
    });

  if (nonsense !== undefined)
    test('it breaks its protocol', async () => {
      expect(await departed(guest, (raw) => raw.send(nonsense))).toMatchObject({
        kind: 'disconnected',
        reason: 'protocol-error',
      });
    });

  if (misplaced !== undefined)
    test('it says what is not for now', async () => {
      expect(await departed(guest, (raw) => raw.send(misplaced))).toMatchObject({
        kind: 'disconnected',
        reason: 'protocol-error',
      });
    });

  test('an administrator sends it away', async () => {
    const entry = await departed(guest, (_raw, { hub }, { protocol, client }) =>
      hub.disconnect(protocol, client),
    );
    expect(entry).toMatchObject({ kind: 'disconnected', reason: 'disconnected-by-admin' });
  });

  if (subscribe !== undefined)
    test('its messages overflow where that is the end: it reads too slowly', async () => {
      const entry = await departed(
        guest,
        async (raw, broker) => {
          raw.send(subscribe);
          await broker.clock.advance(0);
          raw.stall(true);
          const publisher = new MqttClient(broker, 5);
          await publisher.connect('publisher');
          for (let i = 0; i < 200; i++) publisher.send(publishPacket('flood', 'x'.repeat(60_000)));
          await broker.clock.advance(1_000);
          raw.stall(false);
        },
        { limits: { queueMessages: 5, overflow: 'evict' } },
      );
      expect(entry).toMatchObject({ kind: 'disconnected', reason: 'slow-consumer' });
    });

  test('the hub stops', async () => {
    const entry = await departed(guest, (_raw, broker) => broker.stop());
    expect(entry).toMatchObject({ kind: 'disconnected', reason: 'shutting-down' });
  });
});
