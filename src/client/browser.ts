// The package's entry `waymeet/client`, in a browser: MQTT over WebSocket, and what else can be spoken there, with an outbox in IndexedDB.

import type { Speech } from '../contract/speaker.ts';
import { mqtt } from '../protocol/mqtt/client.ts';
import type { BrowserScheme } from './browser-scheme.ts';
import { type Clock, type DialledWire, StreamWire } from './carrier.ts';
import type { Client } from './client.ts';
import { shown } from './endpoint.ts';
import { onAbort, WaymeetError } from './error.ts';
import { openClient } from './open.ts';
import type { ConnectOptions, World } from './options.ts';
import type { PacketWire } from './packet-wire.ts';
import { portOf } from './scheme-table.ts';

export type { Message, UserProperty } from '../contract/message.ts';
export type { Ability, Opened } from '../contract/speaker.ts';
export { Client, type CloseOptions, type PublishOptions } from './client.ts';
export { type ErrorCode, WaymeetError } from './error.ts';
export type { HealthEvent } from './health.ts';
export { IncomingMessage, type MessageOptions, type Payload } from './message.ts';
export type { ConnectOptions, OutboxOptions, WillOptions } from './options.ts';
export type { RequestOptions } from './patterns/request.ts';
export type { Responder, Responding, RespondOptions } from './patterns/respond.ts';
export { type SubscribeOptions, Subscription } from './subscription.ts';
export type { Tap } from './tap.ts';

/** What is used of a browser's WebSocket. */
interface Socket {
  binaryType: string;
  readonly bufferedAmount: number;
  send(message: Uint8Array | string): void;
  close(): void;
  addEventListener(type: string, heard: (event: { data?: unknown }) => void): void;
}

declare const WebSocket: new (url: string, protocols: string[]) => Socket;

const load = async (): Promise<Speech> => mqtt;
const SCHEMES: Readonly<Record<string, BrowserScheme>> = {
  'ws:': { transport: 'ws', port: 80, path: '/mqtt', load },
  'wss:': { transport: 'wss', port: 443, path: '/mqtt', load },
};

async function schemeFor(url: URL): Promise<BrowserScheme> {
  return SCHEMES[url.protocol] ?? (await import('./browser-scheme.ts')).otherScheme(url, SCHEMES);
}

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

async function dial(url: URL, speech: Speech, signal: AbortSignal): Promise<DialledWire> {
  const scheme = await schemeFor(url);
  if (scheme.dial !== undefined) return scheme.dial(url, clock, signal);
  const at = new URL(shown(url).replace(/^[^:]*/, scheme.transport));
  if (at.pathname === '/') at.pathname = scheme.path!;
  at.search = '';
  const Wire = speech.carrier === 'stream' ? StreamWire : (await import('./packet-wire.ts')).PacketWire;
  return dialSocket(at, speech, new Wire(at.host, at.protocol === 'wss:', clock), signal);
}

function dialSocket<W extends StreamWire | PacketWire>(
  at: URL,
  speech: Speech,
  wire: W,
  signal: AbortSignal,
): Promise<W> {
  const socket = new WebSocket(at.href, [...(speech.subprotocols ?? [])]);
  socket.binaryType = 'arraybuffer';
  // A browser cannot stop reading: what comes meanwhile waits here, and the other side's window bounds it.
  let held: Uint8Array[] | undefined;
  const look = () => {
    if (socket.bufferedAmount > 0) clock.timer(LOOK_MS, look);
    else wire.drained();
  };
  return new Promise((resolve, reject) => {
    onAbort(signal, () => socket.close());
    socket.addEventListener('close', () => {
      wire.gone();
      reject(new Error('the browser does not say why'));
    });
    socket.addEventListener('message', ({ data }) => {
      const bytes =
        typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data as ArrayBuffer);
      if (held === undefined) wire.arrived(bytes);
      else held.push(bytes);
    });
    socket.addEventListener('open', () => {
      wire.carry({
        get unsent() {
          return socket.bufferedAmount;
        },
        send(parts) {
          for (const part of parts) socket.send(speech.text ? new TextDecoder().decode(part) : part);
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
  speech: async (url) => (await schemeFor(url)).load(),
  port: async (url) => portOf(url, await schemeFor(url)),
  dial: (url, speech, _options, signal) => dial(url, speech, signal),
  another: (link, o) => (open, failed) =>
    import('./another.ts').then(({ dialAnother }) => dialAnother(world, link, o, open, failed)),
  async store(at) {
    const { openOutboxDatabase } = await import('./outbox-database.ts');
    return openOutboxDatabase(at);
  },
  async sasl(mechanism, username, password) {
    const { saslOf } = await import('./scram.ts');
    return saslOf(mechanism, username, password, world.random);
  },
};

/**
 * As in Node; the URLs are `ws://` and `wss://`, over which MQTT is spoken, those of CoAP and of `waymeet.v1` over WebSocket, and
 * `http://` and `https://`.
 */
export async function connect(
  urls: string | readonly string[],
  options: ConnectOptions = {},
): Promise<Client> {
  for (const name of ['tls', 'oscore'] as const)
    if (options[name] !== undefined) throw new WaymeetError('not-supported', '', `a page has no ${name}`);
  return openClient(urls, options, world);
}
