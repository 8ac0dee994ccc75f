// Opens a client's wire in Node: TCP, TLS, unix sockets, WebSocket, UDP and DTLS.

import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Speech } from '../contract/speaker.ts';
import { now } from '../transport/clock.ts';
import { type Carrier, type Clock, type DialledWire, StreamWire } from './carrier.ts';
import { shown } from './endpoint.ts';
import type { Settled, TlsOptions } from './options.ts';
import { PacketWire } from './packet-wire.ts';
import { SCHEMES } from './scheme.ts';
import { hostOf, portOf, type Scheme, schemeOf } from './scheme-table.ts';

export const nodeClock: Clock = {
  now,
  timer(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  soon: (run) => setImmediate(run),
};

/** Rejects with an Error whose message says what is wrong, without the address. */
export async function dial(url: URL, speech: Speech, o: Settled, signal: AbortSignal): Promise<DialledWire> {
  const scheme = schemeOf(url, SCHEMES);
  try {
    switch (scheme.transport) {
      case 'tcp':
        return await dialTcp(url, scheme, signal);
      case 'unix':
        return await dialUnix(url, signal);
      case 'tls':
        return await dialTls(url, scheme, speech, o.tls ?? {}, signal);
      case 'ws':
      case 'wss':
        return await dialWebSocket(url, scheme, speech, o.tls ?? {}, signal);
      case 'udp':
        return await dialUdp(url, scheme);
      case 'dtls':
        return await dialDtls(url, scheme, o.tls ?? {});
    }
  } catch (cause) {
    throw new Error(reasonOf(cause), { cause });
  }
}

// --- streams ---

const READ_OCTETS = 65_536;

function dialTcp(url: URL, scheme: Scheme, signal: AbortSignal): Promise<DialledWire> {
  const host = hostOf(url);
  const port = portOf(url, scheme);
  const wire = new StreamWire(`${host}:${port}`, false, nodeClock);
  // One buffer for all that is read: a peer keeps nothing of it.
  const onread = {
    buffer: new Uint8Array(READ_OCTETS),
    callback: (length: number, buffer: Uint8Array) => {
      wire.arrived(buffer.subarray(0, length));
      return true;
    },
  };
  return opened(connectTcp({ host, port, noDelay: true, onread, signal }), 'connect', wire);
}

function dialUnix(url: URL, signal: AbortSignal): Promise<DialledWire> {
  const wire = new StreamWire('unix', false, nodeClock);
  const socket = connectTcp({ path: decodeURIComponent(url.pathname), signal });
  socket.on('data', (bytes) => wire.arrived(bytes));
  return opened(socket, 'connect', wire);
}

function dialTls(
  url: URL,
  scheme: Scheme,
  speech: Speech,
  tls: TlsOptions,
  signal: AbortSignal,
): Promise<DialledWire> {
  const host = hostOf(url);
  const port = portOf(url, scheme);
  const socket = connectTls({
    host,
    port,
    ...credentials(tls),
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(speech.alpn === undefined ? {} : { ALPNProtocols: [...speech.alpn] }),
  });
  signal.addEventListener('abort', () => socket.destroy(), { once: true });
  socket.setNoDelay(true);
  const wire = new StreamWire(`${host}:${port}`, true, nodeClock);
  socket.on('data', (bytes) => wire.arrived(bytes));
  return opened(socket, 'secureConnect', wire);
}

function credentials({ ca, cert, key, insecure }: TlsOptions) {
  const pem = (text: string | Uint8Array) => (typeof text === 'string' ? text : Buffer.from(text));
  return {
    ...(ca === undefined ? {} : { ca: pem(ca) }),
    ...(cert === undefined ? {} : { cert: pem(cert) }),
    ...(key === undefined ? {} : { key: pem(key) }),
    rejectUnauthorized: insecure !== true,
  };
}

function opened(socket: Socket | TLSSocket, event: string, wire: StreamWire): Promise<DialledWire> {
  return new Promise((resolve, reject) => {
    const failed = (why: Error) => {
      wire.gone();
      reject(why);
    };
    socket.once('error', failed);
    socket.once('close', () => wire.gone());
    socket.on('drain', () => wire.drained());
    socket.once(event, () => {
      wire.carry(socketCarrier(socket));
      // What comes later ends the connection, and `close` tells so.
      socket.on('error', () => {});
      resolve(wire);
    });
  });
}

function socketCarrier(socket: Socket): Carrier {
  return {
    get unsent() {
      return socket.writableLength;
    },
    send(parts) {
      if (parts.length === 1) {
        socket.write(parts[0]!);
        return;
      }
      socket.cork();
      for (const part of parts) socket.write(part);
      socket.uncork();
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    end: () => closeSoon(socket),
    destroy: () => socket.destroy(),
  };
}

/** How long the other side may take to close too. */
const CLOSE_MS = 2_000;

function closeSoon(socket: Socket): void {
  socket.end();
  socket.resume();
  const late = setTimeout(() => socket.destroy(), CLOSE_MS);
  socket.once('close', () => clearTimeout(late));
}

// --- messages ---

async function dialWebSocket(
  url: URL,
  scheme: Scheme,
  speech: Speech,
  tls: TlsOptions,
  signal: AbortSignal,
): Promise<DialledWire> {
  const { WebSocket } = await import('ws');
  const at = new URL(shown(url).replace(/^[^:]*:/, `${scheme.transport}:`));
  if (at.pathname === '/' && scheme.path !== undefined) at.pathname = scheme.path;
  if (at.port === '') at.port = String(scheme.port);
  at.search = '';
  const secure = scheme.transport === 'wss';
  const socket = new WebSocket(at, [...(speech.subprotocols ?? [])], {
    perMessageDeflate: false,
    ...(secure ? credentials(tls) : {}),
  });
  signal.addEventListener('abort', () => socket.terminate(), { once: true });
  const stream = speech.carrier === 'stream';
  const wire = new (stream ? StreamWire : PacketWire)(at.host, secure, nodeClock);
  socket.on('message', (message: Buffer) => wire.arrived(message));
  const text = speech.text === true && !stream;
  return new Promise((resolve, reject) => {
    socket.once('error', (why) => {
      wire.gone();
      reject(why);
    });
    socket.once('close', () => wire.gone());
    socket.once('open', () => {
      socket.on('error', () => {}); // `close` follows
      wire.carry({
        get unsent() {
          return socket.bufferedAmount;
        },
        send(parts) {
          // A stream's octets in one message: a frame costs more than a copy.
          const whole = stream && parts.length > 1 ? [Buffer.concat(parts)] : parts;
          for (const part of whole) socket.send(part, { binary: !text }, () => wire.drained());
        },
        pause: () => socket.pause(),
        resume: () => socket.resume(),
        end: () => {
          socket.resume();
          socket.close();
        },
        destroy: () => socket.terminate(),
      });
      resolve(wire);
    });
  });
}

// --- datagrams ---

async function dialUdp(url: URL, scheme: Scheme): Promise<DialledWire> {
  const host = hostOf(url);
  const port = portOf(url, scheme);
  const { address, family } = await lookup(host);
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  const wire = new PacketWire(`${host}:${port}`, false, nodeClock);
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.connect(port, address, resolve);
  });
  // Nobody listens there: an answer may still come once somebody does, and the speaker repeats until then.
  socket.removeAllListeners('error').on('error', () => {});
  socket.on('message', (bytes) => wire.arrived(bytes));
  wire.carry(
    datagramCarrier(
      // An error here is told by the event above.
      (bytes) => socket.send(bytes, () => {}),
      // After the datagrams that are on their way to the kernel.
      () => setImmediate(() => socket.close()),
    ),
  );
  return wire;
}

async function dialDtls(url: URL, scheme: Scheme, tls: TlsOptions): Promise<DialledWire> {
  const { dialDtls: open } = await import('../transport/dtls-dial.ts');
  const host = hostOf(url);
  const port = portOf(url, scheme);
  const wire = new PacketWire(`${host}:${port}`, true, nodeClock);
  const { ca, cert, key, insecure, psk } = tls;
  const socket = await open({
    host,
    port,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { credentials: { cert, key } }),
    ...(insecure === undefined ? {} : { insecure }),
    ...(psk === undefined ? {} : { preShared: psk }),
    received: (content) => wire.arrived(content),
    closed: () => wire.gone(),
  });
  const send = (bytes: Uint8Array) => {
    socket.send(bytes);
  };
  wire.carry(datagramCarrier(send, () => socket.close()));
  return wire;
}

function datagramCarrier(send: (bytes: Uint8Array) => void, close: () => void): Carrier {
  return {
    unsent: 0,
    send: (parts) => parts.forEach(send),
    pause() {},
    resume() {},
    end: close,
    destroy: close,
  };
}

// --- why not ---

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there; is the broker running?',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name is not known',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by nobody who is trusted here',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by nobody who is trusted here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by nobody who is trusted here',
};

function reasonOf(why: unknown): string {
  const { code, message, errors } = why as { code?: string; message: string; errors?: unknown[] };
  const words = WORDS[code ?? ''];
  if (words !== undefined) return words;
  if (code === 'ENOENT') return `there is no such file (${message})`;
  // Node tries every address of a name and gathers what went wrong.
  if (message === '' && errors?.[0] !== undefined) return reasonOf(errors[0]);
  return message;
}
