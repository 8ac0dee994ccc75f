// Opens a client's wire in Node: TCP, TLS, unix sockets, WebSocket, UDP and DTLS.

import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  connect as connectTls,
  createSecureContext,
  rootCertificates,
} from 'node:tls';
import type { Speech } from '../contract/speaker.ts';
import { now } from '../transport/clock.ts';
import { type Carrier, type Clock, type DialledWire, StreamWire } from './carrier.ts';
import { dialFailure, HungUp } from './dial-failure.ts';
import { shown } from './endpoint.ts';
import { aborted } from './error.ts';
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

/** Rejects with WaymeetError, which says what is wrong and how to mend it. */
export async function dial(url: URL, speech: Speech, o: Settled, signal: AbortSignal): Promise<DialledWire> {
  const dialling = dialNow(url, speech, o.tls ?? {}, signal);
  try {
    const wire = await Promise.race([dialling, abortOf(signal)]);
    // An alert right behind the handshake comes before whoever waits for it.
    if (wire.ended) throw wire.failure ?? new Error('the connection was closed');
    return wire;
  } catch (cause) {
    // A name or a handshake may take its time yet: whatever comes of it is not wanted any more.
    if (signal.aborted) dialling.then((wire) => wire.destroy()).catch(() => {});
    throw dialFailure(cause, url);
  }
}

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const gaveUp = () => reject(aborted(signal, ''));
    if (signal.aborted) gaveUp();
    else signal.addEventListener('abort', gaveUp, { once: true });
  });
}

async function dialNow(
  url: URL,
  speech: Speech,
  tls: TlsOptions,
  signal: AbortSignal,
): Promise<StreamWire | PacketWire> {
  const scheme = schemeOf(url, SCHEMES);
  switch (scheme.transport) {
    case 'tcp':
      return scheme.upgrades === true
        ? dialUpgradable(url, scheme, tls, signal)
        : dialTcp(url, scheme, signal);
    case 'unix':
      return dialUnix(url, signal);
    case 'tls':
      return dialTls(url, scheme, speech, tls, signal);
    case 'ws':
    case 'wss':
      return dialWebSocket(url, scheme, speech, tls, signal);
    case 'udp':
      return dialUdp(url, scheme);
    case 'dtls':
      return dialDtls(url, scheme, tls);
  }
}

// --- streams ---

const READ_OCTETS = 65_536;

function dialTcp(url: URL, scheme: Scheme, signal: AbortSignal): Promise<StreamWire | PacketWire> {
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
  const socket = connectTcp({ host, port, noDelay: true, onread, signal });
  socket.on('drain', () => wire.drained());
  return opened(socket, 'connect', wire, url);
}

function dialUnix(url: URL, signal: AbortSignal): Promise<StreamWire | PacketWire> {
  const wire = new StreamWire('unix', false, nodeClock);
  const socket = connectTcp({ path: decodeURIComponent(url.pathname), signal });
  feed(socket, wire);
  return opened(socket, 'connect', wire, url);
}

function dialTls(
  url: URL,
  scheme: Scheme,
  speech: Speech,
  tls: TlsOptions,
  signal: AbortSignal,
): Promise<StreamWire | PacketWire> {
  const host = hostOf(url);
  const port = portOf(url, scheme);
  const socket = connectTls({
    host,
    port,
    ...credentials(tls, host),
    ...(speech.alpn === undefined ? {} : { ALPNProtocols: [...speech.alpn] }),
  });
  signal.addEventListener('abort', () => socket.destroy(), { once: true });
  socket.setNoDelay(true);
  const wire = new StreamWire(`${host}:${port}`, true, nodeClock);
  feed(socket, wire);
  return opened(socket, 'secureConnect', wire, url);
}

/** A plain connection that its protocol may begin TLS in (STARTTLS). */
function dialUpgradable(url: URL, scheme: Scheme, tls: TlsOptions, signal: AbortSignal): Promise<StreamWire> {
  const host = hostOf(url);
  const port = portOf(url, scheme);
  const socket = connectTcp({ host, port, noDelay: true, signal });
  const upgrade = () => {
    socket.removeAllListeners('data').removeAllListeners('drain').removeAllListeners('close');
    const inner = connectTls({ socket, ...credentials(tls, host) });
    // What is written meanwhile waits in it until the handshake is done.
    wire.carry(socketCarrier(inner));
    feed(inner, wire);
    ends(inner, wire, url);
  };
  const wire = new UpgradableWire(`${host}:${port}`, upgrade);
  feed(socket, wire);
  return opened(socket, 'connect', wire, url);
}

class UpgradableWire extends StreamWire {
  readonly secureUp: () => void;

  constructor(remote: string, upgrade: () => void) {
    super(remote, false, nodeClock);
    this.secureUp = () => {
      this.flush();
      this.secure = true;
      upgrade();
    };
  }
}

/** Suites of a server that is known by what both sides know, and has no certificate. */
const PSK_CIPHERS = 'PSK+HIGH';

function credentials(tls: TlsOptions, host: string): ConnectionOptions {
  return {
    ...(isIP(host) === 0 ? { servername: host } : { host }),
    ...pemOf(tls),
    ...(tls.psk === undefined ? {} : keyed(tls.psk)),
    rejectUnauthorized: tls.insecure !== true,
  };
}

function pemOf({ ca, cert, key }: TlsOptions) {
  const pem = (text: string | Uint8Array) => (typeof text === 'string' ? text : Buffer.from(text));
  return {
    ...(ca === undefined ? {} : { ca: pem(ca) }),
    ...(cert === undefined ? {} : { cert: pem(cert) }),
    ...(key === undefined ? {} : { key: pem(key) }),
  };
}

function keyed({ identity, key }: NonNullable<TlsOptions['psk']>): ConnectionOptions {
  return {
    pskCallback: () => ({ identity, psk: key }),
    ciphers: PSK_CIPHERS,
    maxVersion: 'TLSv1.2', // Node has no pre-shared keys of others in 1.3
    checkServerIdentity: () => undefined,
  };
}

/** What a socket reads and has room for. */
function feed(socket: Socket, wire: StreamWire): void {
  socket.on('data', (bytes) => wire.arrived(plain(bytes)));
  socket.on('drain', () => wire.drained());
}

/** Why an open connection ends, and that it does. In TLS 1.3 the other side looks at our certificate after we have opened. */
function ends(socket: Socket, wire: StreamWire, url: URL): void {
  socket.on('error', (why) => {
    wire.failure = dialFailure(why, url);
    socket.destroy(); // an alert inside of TLS does not end it
  });
  socket.once('close', () => {
    if (wire.secure && socket.bytesRead === 0) wire.failure ??= dialFailure(new HungUp(), url);
    wire.gone();
  });
}

function opened(socket: Socket, event: string, wire: StreamWire, url: URL): Promise<StreamWire> {
  return new Promise((resolve, reject) => {
    const failed = (why: Error) => {
      wire.gone();
      reject(why);
    };
    const closed = () => failed(new Error('the connection was closed'));
    socket.once('error', failed).once('close', closed);
    socket.once(event, () => {
      wire.carry(socketCarrier(socket));
      socket.off('error', failed).off('close', closed);
      ends(socket, wire, url);
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
): Promise<StreamWire | PacketWire> {
  const { WebSocket } = await import('ws');
  const at = new URL(shown(url).replace(/^[^:]*:/, `${scheme.transport}:`));
  if (at.pathname === '/' && scheme.path !== undefined) at.pathname = scheme.path;
  if (at.port === '') at.port = String(scheme.port);
  at.search = '';
  const secure = scheme.transport === 'wss';
  const socket = new WebSocket(at, [...(speech.subprotocols ?? [])], {
    perMessageDeflate: false,
    ...(secure ? credentials(tls, hostOf(url)) : {}),
  });
  signal.addEventListener('abort', () => socket.terminate(), { once: true });
  const stream = speech.carrier === 'stream';
  const wire = new (stream ? StreamWire : PacketWire)(at.host, secure, nodeClock);
  socket.on('message', (message: Buffer) => wire.arrived(plain(message)));
  const text = speech.text === true && !stream;
  return new Promise((resolve, reject) => {
    socket.once('error', (why: NodeJS.ErrnoException) => {
      wire.gone();
      reject(secure && why.code === 'ECONNRESET' ? new HungUp() : why);
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

/** A payload that is a part of it must be no Buffer, whose `slice` and text are others. */
function plain({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}

// --- datagrams ---

async function dialUdp(url: URL, scheme: Scheme): Promise<StreamWire | PacketWire> {
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
  socket.on('message', (bytes) => wire.arrived(plain(bytes)));
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

async function dialDtls(url: URL, scheme: Scheme, tls: TlsOptions): Promise<StreamWire | PacketWire> {
  const { dialDtls: open } = await import('../transport/dtls-dial.ts');
  const host = hostOf(url);
  const port = portOf(url, scheme);
  const wire = new PacketWire(`${host}:${port}`, true, nodeClock);
  const { cert, key, insecure, psk } = tls;
  // It says what is wrong with them as for TLS.
  createSecureContext(pemOf(tls));
  // As TLS does where nothing is said.
  const ca = tls.ca ?? (psk === undefined && insecure !== true ? rootCertificates.join('\n') : undefined);
  const socket = await open({
    host,
    port,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { credentials: { cert, key } }),
    ...(insecure === undefined ? {} : { insecure }),
    ...(psk === undefined ? {} : { preShared: psk }),
    received: (content) => wire.arrived(plain(content)),
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
