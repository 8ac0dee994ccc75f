// The WebSocket listener: mounts on an HTTP server and gives each path's subprotocols their connections.

import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { type WebSocket, WebSocketServer } from 'ws';
import { BY_REFERENCE_BYTES } from '../bytes/outbox.ts';
import type { Hub } from '../contract/hub.ts';
import { ProtocolError } from '../contract/outcome.ts';
import type { Protocol, Slab, WireIdentity } from '../contract/wire.ts';
import { isHostWelcome } from '../hub/address.ts';
import { now } from './clock.ts';
import { batch, frameHead, sharedFrame } from './frames.ts';
import { identityOf, NOTHING_PROVEN } from './identity.ts';
import {
  Gate,
  type Listener,
  type ListenerLimits,
  type ListenerOptions,
  plainAddress,
  remoteName,
} from './listener.ts';
import { PacketWire } from './packets.ts';
import type { PeeredWire } from './peered.ts';
import { OPEN } from './peered.ts';
import { StreamWire } from './stream.ts';

/** Path (`/mqtt`) → subprotocol (`mqtt`) → protocol. The subprotocol '' serves clients that name none. */
export type WebSocketRoutes = Readonly<Record<string, Readonly<Record<string, Protocol>>>>;

/** The other end of a connection. */
export interface Remote {
  readonly address: string;
  readonly port: number;
}

export interface WebSocketOptions extends Omit<ListenerOptions, 'proxy' | 'proxyTrustsCertificate'> {
  /**
   * Which web pages may connect beside those of the host that they connect to, by origin (`https://app.example`); `*`: all. Clients that
   * send no Origin are no web pages. Without it, any page that somebody opens could speak to a hub on his own machine.
   */
  readonly origins?: readonly string[];
  /** Whoever reaches this port is let in: pages may connect under names of this machine only, and those of `origins`. */
  readonly localOnly?: boolean;
  /** How often a ping goes out; a connection that answers nothing until the next one is closed. 0: never. Default: 30 s. */
  readonly pingMs?: number;
  /** Compression costs nine times the CPU. Default: false. */
  readonly perMessageDeflate?: boolean;
  /** The last address of X-Forwarded-For is the client's. Only behind a proxy that sets it. */
  readonly trustForwardedFor?: boolean;
  /** Who is at the other end, where a proxy told; undefined: the socket's own address. */
  readonly remoteOf?: (socket: Socket) => Remote | undefined;
}

const DEFAULT_PING_MS = 30_000;
/** A frame may carry a whole packet and the beginning of others. */
const FRAME_SLACK_BYTES = 65_536;
// RFC6455-7.4.1
const CLOSE_NORMAL = 1_000;
const CLOSE_PROTOCOL_ERROR = 1_002;

/** Serves upgrade requests to the paths of `routes`; others are left to other listeners of `server`, or get 404. */
export function attachWebSocket(
  server: HttpServer | HttpsServer,
  routes: WebSocketRoutes,
  hub: Hub,
  o: WebSocketOptions,
): Listener {
  const protocols = [
    ...new Set(Object.values(routes).flatMap((bySubprotocol) => Object.values(bySubprotocol))),
  ];
  // An HTTPS server is a tls.Server, and only that has this method.
  const secure = 'setSecureContext' in server;
  return new WebSocketListener(new Gate(protocols, hub, secure, o), server, routes, o);
}

class WebSocketListener implements Listener {
  private readonly gate: Gate;
  private readonly server: HttpServer | HttpsServer;
  private readonly routes: WebSocketRoutes;
  private readonly origins: readonly string[] | undefined;
  private readonly localOnly: boolean;
  private readonly trustForwardedFor: boolean;
  private readonly remoteOf: (socket: Socket) => Remote | undefined;
  private readonly framing: WebSocketServer;
  private readonly lives = new Set<Life>();
  private readonly pinging: NodeJS.Timeout | undefined;

  constructor(gate: Gate, server: HttpServer | HttpsServer, routes: WebSocketRoutes, o: WebSocketOptions) {
    this.gate = gate;
    this.server = server;
    this.routes = routes;
    this.origins = o.origins;
    this.localOnly = o.localOnly ?? false;
    this.trustForwardedFor = o.trustForwardedFor ?? false;
    this.remoteOf = o.remoteOf ?? (() => undefined);
    this.framing = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: gate.limits.maxPacketBytes + FRAME_SLACK_BYTES,
      perMessageDeflate: o.perMessageDeflate ?? false,
      handleProtocols: (offered, request) => this.choose(pathOf(request), offered) ?? false,
    });
    server.on('upgrade', this.upgrade);
    const pingMs = o.pingMs ?? DEFAULT_PING_MS;
    this.pinging = pingMs > 0 ? setInterval(() => this.pingAll(), pingMs).unref() : undefined;
  }

  get name(): string {
    return this.gate.name;
  }

  get address(): string {
    const at = this.server.address();
    const host = at === null || typeof at === 'string' ? String(at) : remoteName(at.address, at.port);
    return `${this.gate.secure ? 'wss' : 'ws'}://${host}${Object.keys(this.routes)[0] ?? '/'}`;
  }

  get connections(): number {
    return this.gate.connections;
  }

  tune(limits: ListenerLimits): void {
    this.gate.tune(limits);
  }

  /** The first subprotocol that the client offers and the path serves. */
  private choose(path: string, offered: Iterable<string>): string | undefined {
    const route = this.routes[path]!;
    for (const name of offered) if (name !== '' && Object.hasOwn(route, name)) return name;
    return undefined;
  }

  private readonly upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Until ws takes over, nobody else listens for it.
    socket.on('error', ignore);
    const path = pathOf(request);
    if (!Object.hasOwn(this.routes, path)) {
      if (this.server.listenerCount('upgrade') === 1)
        refuse(socket, '404 Not Found', `No WebSocket at ${path}.`);
      return;
    }
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    const chosen = this.choose(path, offered) ?? '';
    const route = this.routes[path]!;
    // [MQTT5-6.0.0-3] a client must offer `mqtt`; to one that does not, no protocol is spoken.
    if (!Object.hasOwn(route, chosen)) {
      const served = Object.keys(route).join(', ');
      refuse(socket, '400 Bad Request', `Sec-WebSocket-Protocol must offer one of: ${served}.`);
      return;
    }
    const origin = request.headers.origin;
    if (origin !== undefined && !this.welcome(origin, request.headers.host)) {
      refuse(
        socket,
        '403 Forbidden',
        `Pages of ${origin} may not connect; the listener's origins say which may.`,
      );
      return;
    }
    const remote = this.remote(request);
    if (!this.gate.admits(remote.address)) {
      refuse(socket, '503 Service Unavailable', 'Too many connections.');
      return;
    }
    this.framing.handleUpgrade(request, socket, head, (web) => {
      socket.off('error', ignore);
      this.begin(web, socket, remote, request, route[chosen]!);
    });
  };

  private welcome(origin: string, host: string | undefined): boolean {
    const { origins } = this;
    if (origins?.includes('*') === true || origins?.includes(origin) === true) return true;
    if (this.localOnly && !isHostWelcome(host, origins)) return false;
    return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
  }

  private remote(request: IncomingMessage): Remote {
    const { remoteAddress = '', remotePort = 0 } = request.socket;
    const proxied = this.remoteOf(request.socket);
    const told = this.trustForwardedFor ? request.headers['x-forwarded-for'] : undefined;
    const last = String(told ?? '')
      .split(',')
      .pop()!
      .trim();
    return {
      address: plainAddress(last || (proxied?.address ?? remoteAddress)),
      port: proxied?.port ?? remotePort,
    };
  }

  private begin(
    web: WebSocket,
    socket: Duplex,
    { address, port }: Remote,
    request: IncomingMessage,
    protocol: Protocol,
  ): void {
    const remote = remoteName(address, port);
    const identity =
      request.socket instanceof TLSSocket ? identityOf(request.socket, undefined) : NOTHING_PROVEN;
    const life: Life = { web, wire: undefined, answered: true };
    this.lives.add(life);
    web.on('pong', () => {
      life.answered = true;
    });
    web.on('close', () => this.lives.delete(life));
    if (protocol.carrier === 'message') {
      const messages = new WebSocketMessages(this.gate, web, socket, protocol, address, remote, identity);
      life.wire = messages;
      messages.begin(protocol);
      return;
    }
    const wire = new WebSocketStream(this.gate, web, socket, address, remote, identity, protocol);
    life.wire = wire;
    wire.begin(() => wire.open(protocol, now()));
  }

  private pingAll(): void {
    for (const life of this.lives) {
      if (life.answered) {
        life.answered = false;
        life.web.ping();
      } else {
        life.wire?.blame('idle');
        life.web.terminate();
      }
    }
  }

  async close(): Promise<void> {
    this.server.off('upgrade', this.upgrade);
    if (this.gate.connections === 0) clearInterval(this.pinging);
  }

  async ended(withinMs: number): Promise<void> {
    await this.gate.ended(withinMs);
    clearInterval(this.pinging);
  }
}

interface Life {
  readonly web: WebSocket;
  wire: PeeredWire | undefined;
  answered: boolean;
}

/** A stream in binary frames, and if the protocol says so in text frames that come: packets may span frames and share them; what one turn wrote is one message. */
class WebSocketStream extends StreamWire {
  private readonly web: WebSocket;
  private readonly socket: Duplex;
  private closeCode = CLOSE_NORMAL;
  private readonly onSent = (error?: Error | null): void => {
    // A failed send is followed by 'close'.
    if (!error) this.written();
  };

  constructor(
    gate: Gate,
    web: WebSocket,
    socket: Duplex,
    address: string,
    remote: string,
    identity: WireIdentity,
    protocol: Protocol,
  ) {
    super(gate, address, remote, identity);
    this.web = web;
    this.socket = socket;
    const text = protocol.text ?? false;
    web.on('message', (octets: Buffer, binary: boolean) => {
      if (binary || text) this.arrived(octets, 0, octets.length, 0);
      else this.threw(new ProtocolError('MQTT5-6.0.0-1', 'a text frame'), now());
    });
    web.on('error', (error) => this.broke(error));
    web.on('close', () => this.destroy());
  }

  /** The framing was broken: ws says so to the other side, and closes. */
  private broke(error: Error): void {
    this.counters.broken++;
    this.gate.loop.log('debug', `connection ${this.remote}: ${error.message}`, { listener: this.gate.name });
    this.blame('protocol-error');
    this.end();
  }

  protected override threw(error: unknown, at: number): void {
    this.closeCode = CLOSE_PROTOCOL_ERROR;
    super.threw(error, at);
  }

  protected sendOne(bytes: Uint8Array): boolean {
    this.web.send(bytes, BINARY, this.onSent);
    return false;
  }

  protected sendMany(chunks: Uint8Array[]): boolean {
    const last = chunks.length - 1;
    // One message in as many fragments: nothing large is copied.
    this.socket.cork();
    for (let i = 0; i < last; i++) this.web.send(chunks[i]!, BINARY_FRAGMENT);
    this.web.send(chunks[last]!, BINARY, this.onSent);
    this.socket.uncork();
    return false;
  }

  protected packRoom(length: number): Uint8Array {
    return Buffer.allocUnsafe(length);
  }

  protected readStart(): void {
    this.web.resume();
  }

  protected readStop(): void {
    this.web.pause();
  }

  protected shutdown(): void {
    this.web.close(this.closeCode);
  }

  protected closeSocket(): void {
    this.web.terminate();
  }
}

/** Whole messages, text or binary as the protocol says. */
class WebSocketMessages extends PacketWire {
  private readonly web: WebSocket;
  private readonly socket: Duplex;
  text: boolean;
  private paused = false;
  /** Compressed messages are left to ws; else all frames of a turn are laid out here and leave in one write. */
  private readonly plain: boolean;
  private early: Buffer[] = [];
  private closeCode = CLOSE_NORMAL;
  /** Octets of messages in each write that is under way. */
  private readonly writes: number[] = [];
  /** The only message of this turn so far: it need not be copied. */
  private only: Uint8Array | undefined = undefined;

  constructor(
    gate: Gate,
    web: WebSocket,
    socket: Duplex,
    protocol: Protocol,
    address: string,
    remote: string,
    identity: WireIdentity,
  ) {
    super(gate, address, remote, identity);
    this.web = web;
    this.socket = socket;
    this.text = protocol.text ?? false;
    this.plain = web.extensions === '';
    web.on('message', (octets: Buffer) => {
      // What was read already still comes when reading has stopped.
      if (this.held) this.early.push(octets);
      else this.packetArrived(octets);
    });
    web.on('error', (error) => {
      this.counters.broken++;
      gate.loop.log('debug', `connection ${remote}: ${error.message}`, { listener: gate.name });
      this.blame('protocol-error');
      this.end();
    });
    web.on('close', () => this.destroy());
  }

  begin(protocol: Protocol): void {
    this.gate.enter(this);
    this.limit(this.gate.firstByteMs);
    const at = now();
    try {
      this.open(protocol, at);
    } catch (error) {
      this.threw(error, at);
    }
  }

  protected override threw(error: unknown, at: number): void {
    this.closeCode = CLOSE_PROTOCOL_ERROR;
    super.threw(error, at);
  }

  pause(): void {
    this.paused = true;
    this.web.pause();
  }

  resume(): void {
    this.paused = false;
    if (!this.held) this.web.resume();
  }

  protected override reading(on: boolean): void {
    while (on && !this.held && this.early.length > 0) this.packetArrived(this.early.shift()!);
    if (this.paused) return;
    if (on && !this.held) this.web.resume();
    else this.web.pause();
  }

  protected override ending(): void {
    // The answer to our close must be read.
    this.web.resume();
  }

  override get unsent(): number {
    return this.only === undefined ? super.unsent : super.unsent + this.only.length;
  }

  override write(bytes: Uint8Array): void {
    if (this.state !== OPEN) return;
    if (!this.plain || this.only !== undefined || this.outbox.length > 0) {
      this.queueOnly();
      super.write(bytes);
      return;
    }
    this.only = bytes;
    this.touch();
    if (this.unsent > this.gate.highWaterBytes) this.weigh(this.unsent);
  }

  override reserve(length: number): number {
    this.queueOnly();
    return super.reserve(length);
  }

  override share(slab: Slab, start: number, end: number): void {
    this.queueOnly();
    super.share(slab, start, end);
  }

  /** It is not the only one any more. */
  private queueOnly(): void {
    const { only } = this;
    if (only === undefined) return;
    this.only = undefined;
    super.write(only);
  }

  protected override sendTurn(): void {
    const { only } = this;
    if (only !== undefined) {
      this.only = undefined;
      this.departs(only.length);
      this.gate.loop.tap?.passed(this, 'out', only, 0, only.length);
      if (only.length > SHARED_BYTES) this.sendLarge(only);
      else {
        this.writes.push(only.length);
        this.socket.write(sharedFrame(only, this.text), this.written);
      }
    }
    super.sendTurn();
  }

  protected sendPacket(bytes: Uint8Array, slab: Slab | undefined): boolean {
    const { length } = bytes;
    if (!this.plain) {
      // The socket keeps it beyond this turn, the slab does not.
      const kept = slab === undefined ? bytes : Buffer.from(bytes);
      this.web.send(kept, this.text ? TEXT : BINARY, () => this.packetSent(length));
    } else if (!batch.add(bytes, this.text)) {
      this.sentAll();
      if (!batch.add(bytes, this.text)) this.sendLarge(bytes);
    }
    return false;
  }

  /** Too long to be laid beside others. */
  private sendLarge(bytes: Uint8Array): void {
    this.writes.push(bytes.length);
    this.socket.cork();
    this.socket.write(frameHead(bytes.length, this.text));
    // Large packets are the tower's own and lent by nobody; those between may lie in a slab.
    this.socket.write(bytes.length < BY_REFERENCE_BYTES ? Buffer.from(bytes) : bytes, this.written);
    this.socket.uncork();
  }

  protected override sentAll(): void {
    if (batch.messageBytes === 0 && batch.length === 0) return;
    this.writes.push(batch.messageBytes);
    this.socket.write(batch.take(), this.written);
  }

  private readonly written = (): void => {
    // A failed write is followed by 'close'.
    this.packetSent(this.writes.shift()!);
  };

  protected farewell(): void {
    this.web.close(this.closeCode);
  }

  protected close(): void {
    this.web.terminate();
  }
}

/** Longer messages go by reference. */
const SHARED_BYTES = 16_384;

const BINARY = { binary: true } as const;
const BINARY_FRAGMENT = { binary: true, fin: false } as const;
const TEXT = { binary: false } as const;

function ignore(): void {}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0]!;
}

/** Answers in HTTP, because the upgrade has not happened. */
function refuse(socket: Duplex, status: string, why: string): void {
  const body = `${why}\n`;
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
