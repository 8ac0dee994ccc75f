// The UDP listener: one peer for each remote address and port, in a bounded table.

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { Outbox } from '../bytes/outbox.ts';
import type { Hub } from '../contract/hub.ts';
import type { Protocol, Slab } from '../contract/wire.ts';
import { ArrivingWire } from './arriving.ts';
import { now } from './clock.ts';
import { Departures, type Traveller } from './departures.ts';
import { hearGroup, isEverywhere, placesOf } from './groups.ts';
import { NOTHING_PROVEN } from './identity.ts';
import {
  Gate,
  type Listener,
  type ListenerLimits,
  type ListenerOptions,
  plainAddress,
  remoteName,
} from './listener.ts';
import { CLOSED, OPEN } from './peered.ts';
import { type DatagramPort, openPort, type Sender } from './rawudp.ts';
import { Remotes } from './remotes.ts';
import { DEFAULT_IDLE_MS, displaceSilent, forgetSilent } from './silence.ts';
import { Timer, type TimerOwner } from './timers.ts';

export interface UdpOptions extends Omit<ListenerOptions, 'proxy' | 'proxyTrustsCertificate'> {
  readonly port: number;
  /** Default: 127.0.0.1. */
  readonly host?: string;
  /** A remote that was silent for so long is forgotten, whatever its protocol thinks. Default: an hour. */
  readonly idleMs?: number;
  /**
   * Groups to hear too, on the interface that has `host`, or on each. With a host that stands for all addresses nobody can tell a datagram to a
   * group from one to us, and wires say so. A group that cannot be joined is passed over, and said in the log.
   */
  readonly groups?: readonly string[];
  readonly beacon?: Beacon;
  /** Use the bare handle where this Node has it. Default: true. */
  readonly raw?: boolean;
}

/** Being found: the listener joins a multicast group, and tells it something again and again. */
export interface Beacon {
  readonly group: string;
  readonly bytes: Uint8Array;
  readonly everyMs: number;
}

/** Bursts from many devices wait in the kernel while we compute. */
const RECEIVE_BUFFER_BYTES = 4_194_304;

/** Rejects with the system's error (EADDRINUSE, …). */
export async function listenUdp(protocol: Protocol, hub: Hub, o: UdpOptions): Promise<Listener> {
  const gate = new Gate([protocol], hub, false, o);
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
  if (o.beacon !== undefined) {
    try {
      socket.addMembership(o.beacon.group);
    } catch (error) {
      socket.close();
      throw error;
    }
  }
  const listener = new UdpListener(gate, socket, protocol, o);
  for (const group of o.groups ?? []) await listener.join(group, host);
  return listener;
}

class UdpListener implements Listener, TimerOwner {
  readonly address: string;
  private readonly gate: Gate;
  private readonly socket: Socket;
  private readonly protocol: Protocol;
  private readonly idleMs: number;
  private readonly timer = new Timer(this);
  private readonly port: DatagramPort;
  private readonly wires = new Remotes<DatagramWire>();
  /** Who speaks to a group is another endpoint than the same address that speaks to us alone. */
  private readonly askers = new Remotes<DatagramWire>();
  private readonly own: Home;
  private readonly theirs: Home;
  private readonly groups: Socket[] = [];
  /** The socket itself is in a group. */
  private joined = false;
  private closing = false;
  private stopBeacon = (): void => {};

  constructor(gate: Gate, socket: Socket, protocol: Protocol, o: UdpOptions) {
    const { idleMs = DEFAULT_IDLE_MS, beacon } = o;
    this.gate = gate;
    this.socket = socket;
    this.protocol = protocol;
    this.idleMs = idleMs;
    const at = socket.address();
    this.address = `${protocol.name}://${remoteName(at.address, at.port)}`;
    this.port = openPort(
      socket,
      gate.loop.slabs,
      {
        arrived: (bytes, from) => this.arrived(bytes, from, this.wires),
        failed: (why) => gate.loop.log('debug', `udp: ${why}`, { listener: gate.name }),
      },
      o.raw,
    );
    const home = {
      port: this.port,
      departures: new Departures(gate.loop),
      nowhere: new Outbox(gate.loop.slabs),
    };
    this.own = { ...home, gone: (wire) => this.gone(wire, this.wires) };
    this.theirs = { ...home, gone: (wire) => this.gone(wire, this.askers) };
    gate.loop.timers.schedule(this.timer, now() + idleMs);
    if (beacon !== undefined) this.shine(beacon, at.port);
  }

  private shine({ group, bytes, everyMs }: Beacon, port: number): void {
    const tell = (): void => {
      if (this.closing) return;
      this.socket.send(bytes, port, group, () => {});
      this.gate.loop.timers.schedule(timer, now() + everyMs);
    };
    const timer = new Timer({ due: tell });
    this.stopBeacon = () => this.gate.loop.timers.cancel(timer);
    tell();
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

  /** Hears what is sent to a group; answers go out from the listener's own address. */
  async join(group: string, host: string): Promise<void> {
    for (const place of placesOf(group, host)) {
      try {
        if (isEverywhere(host)) {
          this.socket.addMembership(group, place.on);
          this.joined = true;
        } else this.listenTo(await hearGroup(group, place, this.socket.address().port));
      } catch (error) {
        const { message } = error as Error;
        const what = `listener ${this.gate.name} cannot hear the group ${group} at ${place.on}: ${message}`;
        this.gate.loop.log('info', what, { host });
      }
    }
  }

  private listenTo(socket: Socket): void {
    const { gate } = this;
    socket.on('error', (error) => gate.loop.log('debug', `udp: ${error.message}`, { listener: gate.name }));
    socket.on('message', (bytes, from) => this.arrived(bytes, from, this.askers));
    this.groups.push(socket);
  }

  private arrived(bytes: Uint8Array, from: RemoteInfo, remotes: Remotes<DatagramWire>): void {
    let wire = remotes.find(from.address, from.port);
    // Nobody can be told to send more slowly: what is too much is lost.
    if (wire?.near !== true && !isNear(from.address) && !this.gate.datagramRates.spend(from.address, now())) {
      this.gate.hub.counters.drop('rate-exceeded');
      return;
    }
    if (wire === undefined) {
      if (this.closing) return;
      this.makeRoom();
      if (!this.gate.admits(plainAddress(from.address))) return;
      const asks = remotes === this.askers;
      const sentTo = asks ? 'group' : this.joined ? 'either' : 'us';
      wire = new DatagramWire(this.gate, asks ? this.theirs : this.own, from, sentTo);
      remotes.add(wire);
      wire.begin(this.protocol);
    }
    wire.heard(bytes);
    remotes.touch(wire);
  }

  private gone(wire: DatagramWire, from: Remotes<DatagramWire>): void {
    from.remove(wire);
    if (this.closing && this.empty) this.socket.close();
  }

  private makeRoom(): void {
    if (!this.gate.crowded) return;
    displaceSilent(this.wires.values());
    displaceSilent(this.askers.values());
  }

  private get empty(): boolean {
    return this.wires.size === 0 && this.askers.size === 0;
  }

  /** Forgets who was silent for too long. */
  due(at: number): void {
    const next = Math.min(
      forgetSilent(this.wires.values(), at, this.idleMs),
      forgetSilent(this.askers.values(), at, this.idleMs),
    );
    if (!this.closing) this.gate.loop.timers.schedule(this.timer, next);
  }

  /** Nobody new; the socket stays for those who are there, and closes with the last of them. */
  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    for (const socket of this.groups) socket.close();
    this.stopBeacon();
    this.gate.loop.timers.cancel(this.timer);
    if (this.empty) this.socket.close();
  }

  /** Nobody at the other end closes anything: who has not ended by now has no reason to. */
  ended(withinMs: number): Promise<void> {
    for (const wire of this.wires.values()) wire.end();
    for (const wire of this.askers.values()) wire.end();
    return this.gate.ended(withinMs);
  }
}

/** This machine itself, which no network can flood us from. */
function isNear(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.');
}

/** What the wires of one listener share. */
interface Home {
  readonly port: DatagramPort;
  readonly departures: Departures;
  /** In place of an outbox, which datagrams do without. */
  readonly nowhere: Outbox;
  gone(wire: DatagramWire): void;
}

/** There are many of them, and most are silent: each keeps little. */
class DatagramWire extends ArrivingWire implements Sender, Traveller {
  heardAt = now();
  readonly host: string;
  readonly port: number;
  readonly sentTo: 'us' | 'group' | 'either';
  /** It is on this machine. */
  readonly near: boolean;
  protected waiting = 0;
  private readonly home: Home;
  private deaf = false;

  constructor(gate: Gate, home: Home, from: RemoteInfo, sentTo: 'us' | 'group' | 'either') {
    const address = plainAddress(from.address);
    super(gate, address, remoteName(address, from.port), NOTHING_PROVEN, home.nowhere);
    this.host = from.address;
    this.port = from.port;
    this.sentTo = sentTo;
    this.near = isNear(from.address);
    this.home = home;
  }

  begin(protocol: Protocol): void {
    this.gate.enter(this);
    const at = now();
    try {
      this.open(protocol, at);
    } catch (error) {
      this.threw(error, at);
    }
  }

  heard(bytes: Uint8Array): void {
    this.heardAt = now();
    if (!this.deaf) this.packetArrived(bytes);
  }

  /** What arrives meanwhile is lost, as datagrams are. */
  pause(): void {
    this.deaf = true;
  }

  resume(): void {
    this.deaf = false;
  }

  override get bytes(): Uint8Array {
    return this.gate.loop.slabs.current.bytes;
  }

  override reserve(length: number): number {
    if (this.state !== OPEN) return this.reserveNowhere(length);
    const at = this.home.departures.reserve(this, length);
    this.waits(length);
    return at;
  }

  override write(bytes: Uint8Array): void {
    if (this.state !== OPEN) return;
    const at = this.home.departures.reserve(this, bytes.length);
    this.bytes.set(bytes, at);
    this.waits(bytes.length);
  }

  override share(slab: Slab, start: number, end: number): void {
    if (this.state !== OPEN) return;
    this.home.departures.add(this, slab, start, end);
    this.waits(end - start);
  }

  private waits(length: number): void {
    this.waiting += length;
    this.wrote(length);
  }

  /** @internal */
  depart(bytes: Uint8Array, slab: Slab): void {
    const { length } = bytes;
    this.waiting -= length;
    if (this.state === CLOSED) return;
    const { home, gate } = this;
    try {
      gate.loop.tap?.passed(this, 'out', bytes, 0, length);
      this.departs(length);
      if (home.port.send(bytes, slab, this.host, this.port, this)) this.packetSent(length);
    } catch (error) {
      this.fault(error);
    }
  }

  /** @internal */
  sent(length: number): void {
    this.packetSent(length);
  }

  protected farewell(): void {
    this.destroy();
  }

  protected close(): void {
    // Later, because the last to go closes the socket, and the wire may be in the middle of sending.
    setImmediate(tellGone, this, this.home);
  }
}

function tellGone(wire: DatagramWire, home: Home): void {
  home.gone(wire);
}
