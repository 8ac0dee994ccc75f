// The package's entry `waymeet/client`, in a browser: MQTT over WebSocket, with an outbox in IndexedDB.

import type { Speech } from '../contract/speaker.ts';
import { mqtt } from '../protocol/mqtt/client.ts';
import { type Clock, StreamWire } from './carrier.ts';
import type { Client } from './client.ts';
import { shown } from './endpoint.ts';
import { WaymeetError } from './error.ts';
import { openClient } from './open.ts';
import type { ConnectOptions, World } from './options.ts';
import { type Scheme, schemeOf } from './scheme-table.ts';

export { Client, type CloseOptions, type PublishOptions } from './client.ts';
export { type ErrorCode, WaymeetError } from './error.ts';
export type { HealthEvent } from './health.ts';
export { IncomingMessage, type MessageOptions, type Payload } from './message.ts';
export type { ConnectOptions, OutboxOptions, WillOptions } from './options.ts';
export type { RequestOptions } from './patterns/request.ts';
export type { Responder, Responding, RespondOptions } from './patterns/respond.ts';
export { type SubscribeOptions, Subscription } from './subscription.ts';

/** What is used of a browser's WebSocket. */
interface Socket {
  binaryType: string;
  readonly bufferedAmount: number;
  send(bytes: Uint8Array): void;
  close(): void;
  addEventListener(type: string, heard: (event: { data?: unknown }) => void): void;
}

declare const WebSocket: new (url: string, protocols: string[]) => Socket;

const load = async (): Promise<Speech> => mqtt;
const SCHEMES: Readonly<Record<string, Scheme>> = {
  'ws:': { transport: 'ws', port: 80, path: '/mqtt', load },
  'wss:': { transport: 'wss', port: 443, path: '/mqtt', load },
};

const clock: Clock = {
  now: () => Math.floor(performance.timeOrigin + performance.now()),
  timer(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  soon: (run) => queueMicrotask(run),
};

/** A page hears of the socket's progress only when it asks. */
const LOOK_MS = 50;

function dial(url: URL, speech: Speech, signal: AbortSignal): Promise<StreamWire> {
  const at = new URL(shown(url));
  if (at.pathname === '/') at.pathname = schemeOf(url, SCHEMES).path!;
  at.search = '';
  const socket = new WebSocket(at.href, [...(speech.subprotocols ?? [])]);
  socket.binaryType = 'arraybuffer';
  const wire = new StreamWire(at.host, at.protocol === 'wss:', clock);
  // A browser cannot stop reading: what comes meanwhile waits here, and the other side's window bounds it.
  let held: Uint8Array[] | undefined;
  const look = () => {
    if (socket.bufferedAmount > 0) clock.timer(LOOK_MS, look);
    else wire.drained();
  };
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => socket.close(), { once: true });
    socket.addEventListener('close', () => {
      wire.gone();
      reject(new Error('the browser does not say why'));
    });
    socket.addEventListener('message', ({ data }) => {
      const bytes = new Uint8Array(data as ArrayBuffer);
      if (held === undefined) wire.arrived(bytes);
      else held.push(bytes);
    });
    socket.addEventListener('open', () => {
      wire.carry({
        get unsent() {
          return socket.bufferedAmount;
        },
        send(parts) {
          for (const part of parts) socket.send(part);
          if (wire.full) look();
        },
        pause() {
          held ??= [];
        },
        resume() {
          const waiting = held ?? [];
          held = undefined;
          for (const bytes of waiting) wire.arrived(bytes);
        },
        end: () => socket.close(),
        destroy: () => socket.close(),
      });
      resolve(wire);
    });
  });
}

const world: World = {
  ...clock,
  random: (length) => crypto.getRandomValues(new Uint8Array(length)),
  speech: (url) => schemeOf(url, SCHEMES).load(),
  port: (url) => Number(url.port) || schemeOf(url, SCHEMES).port,
  dial: (url, speech, _options, signal) => dial(url, speech, signal),
  async store(at) {
    const { openOutboxDatabase } = await import('./outbox-database.ts');
    return openOutboxDatabase(at);
  },
  async sasl(mechanism, username, password) {
    const { SCRAM, ScramClient } = await import('./scram.ts');
    if (mechanism !== SCRAM)
      throw new WaymeetError('not-supported', '', `there is no SASL ${mechanism} here`);
    return new ScramClient(username, password, crypto.getRandomValues(new Uint8Array(18)));
  },
};

/** As in Node; the URLs are `ws://` and `wss://`, over which MQTT is spoken. */
export async function connect(
  urls: string | readonly string[],
  options: ConnectOptions = {},
): Promise<Client> {
  return openClient(urls, options, world);
}
