// MQTT over WebSocket, over real sockets: binary frames, packets that do not align with them, and the subprotocol.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { OwnedHub } from '../../src/contract/hub.ts';
import { createHub } from '../../src/hub/hub.ts';
import { decodePacket, frameEnd } from '../../src/protocol/mqtt/decode.ts';
import * as mqtt from '../../src/protocol/mqtt/packet.ts';
import { mqtt as mqttTower } from '../../src/protocol/mqtt/protocol.ts';
import { now } from '../../src/transport/clock.ts';
import { Loop } from '../../src/transport/loop.ts';
import { attachWebSocket } from '../../src/transport/websocket.ts';
import { OPEN, TEST_LIMITS, toHex } from '../network.ts';
import { connectFrame, frame, join, publishFrame, str, subscribeFrame } from './octets.ts';

const cleanUp: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

/** A hub that listens on a port of its own; returns its URL. */
async function listen(): Promise<string> {
  const loop = new Loop(() => {});
  const hub: OwnedHub = createHub(
    {
      auth: OPEN,
      store: undefined,
      now,
      wake: () => {}, // nothing here expires
      turn: () => loop.requestTurn(),
      random: (length) => new Uint8Array(length),
      failed: (why) => {
        throw why;
      },
      log: () => {},
    },
    TEST_LIMITS,
  );
  loop.atTurn = () => hub.turn();
  await hub.start();
  const server = createServer();
  const routes = { '/mqtt': { mqtt: mqttTower() } };
  const listener = attachWebSocket(server, routes, hub, { loop, name: 'websocket' });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp.push(async () => {
    await listener.close();
    await listener.ended(0);
    server.close();
  });
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/mqtt`;
}

/** A WebSocket that keeps what arrives, joined, and whether all of it was binary. */
class Web {
  readonly socket: WebSocket;
  readonly closed: Promise<void>;
  allBinary = true;
  opened = false;
  private octets: Uint8Array = new Uint8Array(0);
  private arrival = (): void => {};
  private isClosed = false;

  constructor(url: string, offered: string[] = ['mqtt']) {
    this.socket = new WebSocket(url, offered);
    cleanUp.push(() => this.socket.terminate());
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.socket.on('close', () => resolve()));
    this.socket.on('open', () => {
      this.opened = true;
    });
    this.socket.on('close', () => {
      this.isClosed = true;
      this.arrival();
    });
    this.socket.on('message', (octets: Buffer, binary: boolean) => {
      this.allBinary &&= binary;
      this.octets = join(this.octets, octets);
      this.arrival();
    });
  }

  async open(): Promise<this> {
    await once(this.socket, 'open');
    return this;
  }

  /** The next packet. */
  async next(level: mqtt.Level): Promise<mqtt.Packet> {
    for (;;) {
      const end = frameEnd(this.octets, 0, this.octets.length);
      if (end !== -1 && end <= this.octets.length) {
        const whole = this.octets.slice(0, end);
        this.octets = this.octets.slice(end);
        return decodePacket(whole, 0, end, level, 'server');
      }
      if (this.isClosed) throw new Error('the broker closed');
      await new Promise<void>((resolve) => {
        this.arrival = resolve;
      });
    }
  }
}

const LEVELS = [
  ['MQTT311', 4],
  ['MQTT5', 5],
] as const;

for (const [standard, level] of LEVELS) {
  test(`[${standard}-6.0.0-1] packets come in binary frames, and a text frame closes, that connection only`, async () => {
    const url = await listen();
    const witness = await new Web(url).open();
    witness.socket.send(connectFrame(level, { payload: [str('witness')] }));
    expect((await witness.next(level)).type).toBe(mqtt.CONNACK);
    for (const connected of [false, true]) {
      const web = await new Web(url).open();
      if (connected) {
        web.socket.send(connectFrame(level));
        expect((await web.next(level)).type).toBe(mqtt.CONNACK);
      }
      const ping = Buffer.from(connected ? frame(0xc0) : connectFrame(level));
      web.socket.send(ping, { binary: false });
      await web.closed;
    }
    witness.socket.send(subscribeFrame(level, 1, str('t')));
    expect((await witness.next(level)).type).toBe(mqtt.SUBACK);
    witness.socket.send(publishFrame(level, 0x00, str('t'), undefined));
    expect((await witness.next(level)).type).toBe(mqtt.PUBLISH);
    expect(witness.allBinary).toBe(true);
  });

  test(`[${standard}-6.0.0-2] packets may span frames and share them`, async () => {
    const web = await new Web(await listen()).open();
    for (const octet of connectFrame(level)) web.socket.send(Uint8Array.of(octet));
    expect((await web.next(level)).type).toBe(mqtt.CONNACK);
    // SUBSCRIBE, and a PUBLISH but for its last octet; then that octet, an empty frame, and two packets more.
    const publish = publishFrame(level, 0x00, str('t'), undefined);
    web.socket.send(join(subscribeFrame(level, 1, str('t')), publish.slice(0, -1)));
    expect((await web.next(level)).type).toBe(mqtt.SUBACK);
    web.socket.send(publish.slice(-1));
    web.socket.send(new Uint8Array(0));
    web.socket.send(join(publish, frame(0xc0)));
    const types = [(await web.next(level)).type, (await web.next(level)).type, (await web.next(level)).type];
    expect(types).toEqual([mqtt.PUBLISH, mqtt.PUBLISH, mqtt.PINGRESP]);
    // One frame in fragments is one frame.
    web.socket.send(publish.slice(0, 3), { fin: false });
    web.socket.send(publish.slice(3), { fin: true });
    const last = await web.next(level);
    expect(last.type === mqtt.PUBLISH && toHex(last.payload)).toBe('78');
  });

  test(`[${standard}-6.0.0-4] the server selects mqtt, wherever it stands in the offer`, async () => {
    const url = await listen();
    for (const offered of [['mqtt'], ['other', 'mqtt'], ['mqtt', 'other']]) {
      const web = await new Web(url, offered).open();
      expect(web.socket.protocol).toBe('mqtt');
      web.socket.send(connectFrame(level));
      expect((await web.next(level)).type).toBe(mqtt.CONNACK);
    }
  });

  test(`[${standard}-6.0.0-3] a client that does not offer mqtt is not served`, async () => {
    const url = await listen();
    for (const offered of [[], ['other'], ['MQTT']]) {
      const web = new Web(url, offered);
      await web.closed;
      expect(web.opened).toBe(false);
    }
  });
}
