// The wire of a client: a UDP socket of its own, or the octets of a stream.

import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import type { Duplex } from 'node:stream';
import { SlabPool } from '../bytes/slab.ts';
import type { Peer, Wire } from '../contract/wire.ts';
import { now } from '../transport/clock.ts';

/** What carries the octets. */
interface Carrier {
  send(bytes: Uint8Array): void;
  close(): void;
}

/** Sends at once what is written: a client has little to gather. */
export class ClientWire implements Wire {
  readonly remote: string;
  readonly listener = '';
  readonly secure = false;
  readonly identity = {};
  readonly limits = { maxPacketBytes: 268_435_456, loginMs: 10_000 };
  readonly slabs = new SlabPool();
  readonly full = false;
  readonly unsent = 0;
  bytes: Uint8Array = new Uint8Array(0);
  peer: Peer | undefined;
  private carrier: Carrier | undefined;
  private timer: NodeJS.Timeout | undefined;
  private waiting: Uint8Array[] = [];

  constructor(remote: string) {
    this.remote = remote;
  }

  open(carrier: Carrier): void {
    this.carrier = carrier;
    for (const bytes of this.waiting.splice(0)) carrier.send(bytes);
  }

  reserve(length: number): number {
    const bytes = new Uint8Array(length);
    this.bytes = bytes;
    queueMicrotask(() => this.write(bytes));
    return 0;
  }

  write(bytes: Uint8Array): void {
    if (this.carrier === undefined) this.waiting.push(bytes);
    else this.carrier.send(bytes);
  }

  share(): void {
    throw new Error('nothing is shared among the wires of a client');
  }

  pause(): void {}
  resume(): void {}

  wake(at: number): void {
    clearTimeout(this.timer);
    if (at === Number.POSITIVE_INFINITY) return;
    this.timer = setTimeout(() => this.peer?.wake(now()), Math.max(0, at - now()));
  }

  end(): void {
    this.destroy();
  }

  destroy(): void {
    clearTimeout(this.timer);
    this.carrier?.close();
    this.gone();
  }

  /** The other side ended it, or it failed. */
  gone(): void {
    clearTimeout(this.timer);
    const { peer } = this;
    this.peer = undefined;
    peer?.lost(now());
  }
}

/** A wire over UDP. Rejects with the system's error when the host has no address. */
export async function dialUdp(host: string, port: number): Promise<ClientWire> {
  const { address, family } = await lookup(host);
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  const wire = new ClientWire(`${host}:${port}`);
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.connect(port, address, () => resolve());
  });
  // Nobody listens there: an answer may still come once somebody does, and the client repeats until then.
  socket.on('error', () => {});
  socket.on('message', (bytes) => wire.peer?.receive(bytes, 0, bytes.length, now()));
  wire.open({
    send: (bytes) => socket.send(bytes),
    close: () => socket.close(),
  });
  return wire;
}

/** A wire over a stream that is connected. */
export function streamWire(stream: Duplex, remote: string): ClientWire {
  const wire = new ClientWire(remote);
  let kept: Uint8Array = new Uint8Array(0);
  stream.on('data', (chunk: Uint8Array) => {
    const bytes = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
    const end = wire.peer?.receive(bytes, 0, bytes.length, now()) ?? bytes.length;
    kept = new Uint8Array(bytes.subarray(end));
  });
  stream.on('error', () => wire.gone());
  stream.on('close', () => wire.gone());
  wire.open({ send: (bytes) => stream.write(bytes), close: () => stream.end() });
  return wire;
}
