// The DTLS listener: datagram protocols over DTLS 1.2, a wire for each association, however its address changes.

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Hub } from '../contract/hub.ts';
import { NEVER } from '../contract/message.ts';
import type { Protocol } from '../contract/wire.ts';
import { now } from './clock.ts';
import type { Credentials, TlsCredentials } from './contexts.ts';
import type { Proof } from './dtls/association.ts';
import { type Certified, readCertificates, readCertified } from './dtls/certificates.ts';
import { type Line, Lines, type LinesOptions, type LinesPort, type Remote } from './dtls/lines.ts';
import type { ServerSettings } from './dtls/server.ts';
import { Sessions } from './dtls/sessions.ts';
import {
  Gate,
  type Guarded,
  type Listener,
  type ListenerLimits,
  type ListenerOptions,
  plainAddress,
  remoteName,
} from './listener.ts';
import { PacketWire } from './packets.ts';
import { type DatagramPort, openPort, type Sender } from './rawudp.ts';
import { displaceSilent, forgetSilent } from './silence.ts';
import { Timer, type TimerOwner } from './timers.ts';

export interface DtlsOptions
  extends Omit<ListenerOptions, 'proxy' | 'proxyTrustsCertificate'>,
    TlsCredentials,
    LinesOptions {
  readonly port: number;
  /** Default: 127.0.0.1. */
  readonly host?: string;
  /** Pre-shared keys: identity → key, undefined for an unknown one. */
  readonly preSharedKey?: (identity: string) => Uint8Array | undefined;
  /** Ask for a client certificate; a verified one becomes the wire's identity. Needs `credentials.ca`. */
  readonly requestCertificate?: boolean;
  /** Refuse clients without a verified certificate; those with a shared key are none. */
  readonly requireCertificate?: boolean;
  /** The largest UDP payload of a handshake. Default: 1,232. */
  readonly maxDatagramBytes?: number;
  /** Default: 30,000. */
  readonly handshakeMs?: number;
  /** A remote that was silent for so long is forgotten. Default: a day, as devices that sleep keep their keys. */
  readonly idleMs?: number;
}

/** A listener whose certificates can change. */
export interface DtlsListener extends Listener {
  /** Handshakes from now on see these, and no session of before is resumed; throws, and changes nothing, when they are not usable. */
  reload(credentials: TlsCredentials): void;
}

const DEFAULT_IDLE_MS = 86_400_000;
/** Bursts from many devices wait in the kernel while we compute. */
const RECEIVE_BUFFER_BYTES = 4_194_304;

/** Rejects with the system's error, or with OpenSSL's when a certificate or key is not usable. */
export async function listenDtls(
  protocols: readonly Protocol[],
  hub: Hub,
  o: DtlsOptions,
): Promise<DtlsListener> {
  const gate = new Gate(protocols, hub, true, o);
  const keyring = new Keyring(o);
  const host = o.host ?? '127.0.0.1';
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ port: o.port, address: host }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  } catch {
    // A smaller buffer loses datagrams earlier, and every datagram protocol lives with that.
  }
  return new SecureUdpListener(gate, socket, keyring, o);
}

/** Certificates by server name, and who vouches for clients. */
class Keyring {
  readonly sessions = new Sessions();
  private readonly options: DtlsOptions;
  private usual: Certified | undefined;
  private byServerName = new Map<string, Certified>();
  private authorities: ReturnType<typeof readCertificates> | undefined;

  constructor(o: DtlsOptions) {
    if (o.credentials === undefined && o.preSharedKey === undefined) {
      throw new RangeError(`listener ${o.name}: neither a certificate nor pre-shared keys`);
    }
    this.options = o;
    this.load(o);
  }

  /** All of it is read before any of it is used: a broken file leaves what was there. */
  load(c: TlsCredentials): void {
    const { requestCertificate, requireCertificate } = this.options;
    const usual = c.credentials && readCertified(c.credentials);
    const named = Object.entries(c.byServerName ?? {}).map(
      ([name, one]) => [name.toLowerCase(), readCertified(one)] as const,
    );
    const asks = requestCertificate === true || requireCertificate === true;
    const authorities = asks ? authoritiesOf(c.credentials) : undefined;
    this.usual = usual;
    this.byServerName = new Map(named);
    this.authorities = authorities;
    this.sessions.clear();
  }

  settings(): Omit<ServerSettings, 'connectionId'> {
    const o = this.options;
    const authorities = () => this.authorities;
    return {
      certified: (serverName) => this.certified(serverName),
      sessions: this.sessions,
      requireCertificate: o.requireCertificate === true,
      get clientAuthorities() {
        return authorities();
      },
      ...(o.preSharedKey === undefined ? {} : { preSharedKey: o.preSharedKey }),
      ...(o.maxDatagramBytes === undefined ? {} : { maxDatagramBytes: o.maxDatagramBytes }),
      ...(o.handshakeMs === undefined ? {} : { handshakeMs: o.handshakeMs }),
    };
  }

  private certified(serverName: string | undefined): Certified | undefined {
    const name = (serverName ?? '').toLowerCase();
    return this.byServerName.get(name) ?? this.byServerName.get(name.replace(/^[^.]*/, '*')) ?? this.usual;
  }
}

function authoritiesOf(c: Credentials | undefined): ReturnType<typeof readCertificates> {
  if (c?.ca === undefined) throw new Error("client certificates are asked for, and no 'ca' vouches for any");
  return readCertificates(c.ca);
}

/** Where datagrams come from and go to. */
class Place implements Remote {
  readonly key: string;
  readonly address: string;
  readonly port: number;

  constructor({ address, port }: RemoteInfo) {
    this.address = address;
    this.port = port;
    this.key = `${address} ${port}`;
  }

  get name(): string {
    return remoteName(plainAddress(this.address), this.port);
  }
}

class SecureUdpListener implements DtlsListener, LinesPort<Place>, TimerOwner {
  readonly address: string;
  private readonly gate: Gate;
  private readonly socket: Socket;
  private readonly port: DatagramPort;
  private readonly keyring: Keyring;
  private readonly lines: Lines<Place>;
  private readonly idleMs: number;
  private readonly idleTimer = new Timer(this);
  private readonly handshakes = new Map<Line<Place>, Handshake>();
  /** Least recently heard first. */
  private readonly wires = new Map<Line<Place>, SecureWire>();
  private closing = false;
  private closed_ = false;

  constructor(gate: Gate, socket: Socket, keyring: Keyring, o: DtlsOptions) {
    this.gate = gate;
    this.socket = socket;
    this.keyring = keyring;
    this.idleMs = o.idleMs ?? DEFAULT_IDLE_MS;
    this.lines = new Lines(this, keyring.settings(), o, now());
    const at = socket.address();
    this.address = `${gate.protocols[0]!.name}s://${remoteName(at.address, at.port)}`;
    this.port = openPort(socket, gate.loop.slabs, {
      arrived: (bytes, from) => this.arrived(bytes, from),
      failed: (why) => gate.loop.log('debug', `udp: ${why}`, { listener: gate.name }),
    });
    gate.loop.timers.schedule(this.idleTimer, now() + this.idleMs);
  }

  get name(): string {
    return this.gate.name;
  }

  get connections(): number {
    return this.gate.connections;
  }

  tune(limits: ListenerLimits): void {
    this.gate.tune(limits);
  }

  reload(credentials: TlsCredentials): void {
    this.keyring.load(credentials);
  }

  private arrived(bytes: Uint8Array, from: RemoteInfo): void {
    try {
      this.lines.receive(bytes, new Place(from), now());
    } catch (error) {
      // Our own defect: the listener lives on without this datagram.
      this.gate.counters.faults++;
      this.gate.loop.log('error', `a datagram from ${from.address} met a defect: ${String(error)}`, {
        listener: this.gate.name,
        stack: error instanceof Error ? error.stack : undefined,
      });
    }
  }

  // ---- what the lines ask for

  send(datagram: Uint8Array, to: Place): void {
    if (!this.closed_) this.port.send(datagram, undefined, to.address, to.port, NOBODY);
  }

  /** As `send`, and tells when the kernel has it; true: it has it already. */
  sendThen(datagram: Uint8Array, to: Place, sender: Sender): boolean {
    return this.closed_ || this.port.send(datagram, undefined, to.address, to.port, sender);
  }

  wakeLater(line: Line<Place>, at: number): void {
    this.handshakes.get(line)?.wakeAt(at);
  }

  /** Here the limits are spent: whoever comes so far has proven its address, and costs us a signature. */
  admits(from: Place): boolean {
    this.makeRoom();
    return this.gate.admits(plainAddress(from.address));
  }

  began(line: Line<Place>): void {
    const handshake = new Handshake(this.gate, line);
    this.handshakes.set(line, handshake);
    this.gate.enter(handshake);
  }

  opened(line: Line<Place>, proof: Proof): void {
    this.forget(line);
    const wire = new SecureWire(this.gate, this, line, proof);
    this.wires.set(line, wire);
    wire.begin();
  }

  received(line: Line<Place>, content: Uint8Array): void {
    const wire = this.wires.get(line);
    if (wire === undefined) return;
    this.wires.delete(line);
    this.wires.set(line, wire);
    wire.heard(content);
  }

  moved(line: Line<Place>): void {
    const wire = this.wires.get(line);
    if (wire === undefined) return;
    this.gate.loop.log('debug', `connection ${wire.remote} is at ${line.remote.name} now`, {
      listener: this.gate.name,
    });
    wire.follow(line.remote);
  }

  closed(line: Line<Place>, why: string): void {
    const handshake = this.handshakes.get(line);
    const wire = this.wires.get(line);
    if (handshake !== undefined) {
      this.forget(line);
      this.gate.counters.refused++;
      this.gate.loop.log('debug', `DTLS handshake with ${line.remote.name} failed: ${why}`, {
        listener: this.gate.name,
      });
    }
    this.wires.delete(line);
    wire?.destroy();
    // Later, because a wire may be in the middle of sending.
    if (this.closing) setImmediate(() => this.shutIfEmpty());
  }

  private forget(line: Line<Place>): void {
    const handshake = this.handshakes.get(line);
    if (handshake === undefined) return;
    handshake.end();
    this.handshakes.delete(line);
    this.gate.leave(handshake);
  }

  private makeRoom(): void {
    if (!this.gate.crowded) return;
    displaceSilent(this.wires.values());
  }

  /** Forgets who was silent for too long. */
  due(at: number): void {
    const next = forgetSilent(this.wires.values(), at, this.idleMs);
    if (!this.closing) this.gate.loop.timers.schedule(this.idleTimer, next);
  }

  /** Nobody new; the socket stays for those who are there, and closes with the last of them. */
  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    this.gate.loop.timers.cancel(this.idleTimer);
    this.lines.closeDoor(now());
    this.shutIfEmpty();
  }

  private shutIfEmpty(): void {
    if (this.closed_ || this.wires.size > 0) return;
    this.closed_ = true;
    this.socket.close();
  }

  ended(withinMs: number): Promise<void> {
    return this.gate.ended(withinMs);
  }
}

/** A line between its proven address and the end of its handshake; it counts like any other connection. */
class Handshake implements Guarded, TimerOwner {
  readonly address: string;
  private readonly gate: Gate;
  private readonly line: Line<Place>;
  private readonly timer = new Timer(this);

  constructor(gate: Gate, line: Line<Place>) {
    this.gate = gate;
    this.line = line;
    this.address = plainAddress(line.remote.address);
  }

  wakeAt(at: number): void {
    if (at === NEVER) this.gate.loop.timers.cancel(this.timer);
    else this.gate.loop.timers.schedule(this.timer, at);
  }

  due(at: number): void {
    this.line.wake(at);
  }

  end(): void {
    this.gate.loop.timers.cancel(this.timer);
  }

  destroy(): void {
    this.line.abandon(now());
  }
}

class SecureWire extends PacketWire {
  heardAt = now();
  private readonly listener_: SecureUdpListener;
  private readonly line: Line<Place>;
  private deaf = false;
  private begun = false;

  constructor(gate: Gate, listener: SecureUdpListener, line: Line<Place>, proof: Proof) {
    super(gate, plainAddress(line.remote.address), line.remote.name, proof.identity);
    this.listener_ = listener;
    this.line = line;
  }

  begin(): void {
    this.gate.enter(this);
    // With several protocols the first octets tell which one is spoken.
    if (this.gate.protocols.length > 1) this.limit(this.gate.firstByteMs);
    else this.speak(this.gate.protocols[0]!);
  }

  private speak(protocol: Protocol): void {
    this.begun = true;
    const at = now();
    try {
      this.open(protocol, at);
    } catch (error) {
      this.threw(error, at);
    }
  }

  heard(content: Uint8Array): void {
    this.heardAt = now();
    if (!this.begun) {
      const { protocols } = this.gate;
      const protocol =
        protocols.find((p) => p.matches?.(content) === true) ??
        protocols.find((p) => p.matches === undefined);
      if (protocol === undefined) {
        this.counters.broken++;
        this.destroy();
        return;
      }
      this.speak(protocol);
    }
    if (!this.deaf) this.packetArrived(content);
  }

  /** The other side has another address; it stays who it was. */
  follow({ address, name }: Place): void {
    if (!this.move(plainAddress(address), name)) this.destroy();
  }

  /** What arrives meanwhile is lost, as datagrams are. */
  pause(): void {
    this.deaf = true;
  }

  resume(): void {
    this.deaf = false;
  }

  protected sendPacket(bytes: Uint8Array): boolean {
    const datagram = this.line.seal(bytes);
    // Too large for a record: a lost datagram, as one would be that is too large for UDP.
    if (datagram === undefined) return true;
    return this.listener_.sendThen(datagram, this.line.remote, { sent: () => this.packetSent(bytes.length) });
  }

  protected farewell(): void {
    this.destroy();
  }

  protected close(): void {
    this.line.close(now());
  }
}

const NOBODY: Sender = { sent() {} };
