// Wires over net.Socket and tls.TLSSocket: the complete fallback of the bare handles, and the only way for TLS.

import type { Socket } from 'node:net';
import type { Slab, WireIdentity } from '../contract/wire.ts';
import type { Gate, Securer } from './listener.ts';
import { StreamWire } from './stream.ts';

// plain ──secureUp──▶ asked ──all is sent──▶ handshake ──secured──▶ secured
type Securing = 'plain' | 'asked' | 'handshake' | 'secured';

export class SocketWire extends StreamWire {
  readonly secureUp: (() => void) | undefined;
  private socket: Socket;
  private securing: Securing = 'plain';
  /** Whether octets are wanted, once there are any again. */
  private wanted = false;
  private readonly onWritten = (error?: Error | null): void => {
    // A failed write is followed by 'error'.
    if (!error) this.written();
  };
  private readonly onData = (chunk: Uint8Array): void => {
    this.arrived(chunk, 0, chunk.length, 0);
  };
  private readonly onEnd = (): void => this.finished();

  /** The socket must be made with `allowHalfOpen`, or its end would cut off what is still to be sent. */
  constructor(gate: Gate, socket: Socket, address: string, remote: string, identity: WireIdentity) {
    super(gate, address, remote, identity);
    this.socket = socket;
    const { securer } = gate;
    this.secureUp = securer === undefined ? undefined : () => this.askForTls();
    this.attach();
    socket.on('error', (error) => this.failed(error.message));
    socket.on('close', () => this.failed('closed'));
  }

  private attach(): void {
    const { socket } = this;
    // Paused until `begin`, which lets a protocol be opened first.
    socket.pause();
    // A 'data' listener on a paused socket does not start it.
    socket.on('data', this.onData);
    socket.on('end', this.onEnd);
  }

  override get secure(): boolean {
    return this.securing === 'secured' || super.secure;
  }

  // ---- TLS inside

  private askForTls(): void {
    if (this.securing !== 'plain') return;
    this.securing = 'asked';
    this.socket.pause();
    this.socket.off('data', this.onData);
    this.socket.off('end', this.onEnd);
    this.touch();
  }

  protected override sendTurn(): void {
    if (this.securing !== 'handshake') super.sendTurn();
    else if (this.ended) this.destroy();
    if (this.securing === 'asked' && this.unsent === 0 && !this.ended) this.shakeHands(this.gate.securer!);
  }

  protected override written(): void {
    super.written();
    if (this.securing === 'asked') this.touch();
  }

  private shakeHands(securer: Securer): void {
    this.securing = 'handshake';
    securer.secure(this.socket, (socket, identity) => {
      this.securing = 'secured';
      this.socket = socket;
      this.identity = identity;
      socket.on('error', (error) => this.failed(error.message));
      this.attach();
      if (this.wanted) socket.resume();
      this.touch();
    });
  }

  /** Between the question for TLS and its answer nothing can be said: neither in the clear, nor in secret. */
  private get mute(): boolean {
    return this.securing === 'asked' || this.securing === 'handshake';
  }

  override write(bytes: Uint8Array): void {
    if (!this.mute) super.write(bytes);
  }

  override reserve(length: number): number {
    return this.mute ? this.reserveNowhere(length) : super.reserve(length);
  }

  override share(slab: Slab, start: number, end: number): void {
    if (!this.mute) super.share(slab, start, end);
  }

  // ---- what a stream asks of its socket

  protected sendOne(bytes: Uint8Array): boolean {
    this.socket.write(bytes, this.onWritten);
    return false;
  }

  protected sendMany(chunks: Uint8Array[]): boolean {
    this.socket.cork();
    const last = chunks.length - 1;
    for (let i = 0; i < last; i++) this.socket.write(chunks[i]!);
    this.socket.write(chunks[last]!, this.onWritten);
    this.socket.uncork();
    return false;
  }

  protected packRoom(length: number): Uint8Array {
    // Kept by the socket beyond the call, so it cannot be the shared scratch.
    return Buffer.allocUnsafe(length);
  }

  protected readStart(): void {
    this.wanted = true;
    if (this.securing === 'plain' || this.securing === 'secured') this.socket.resume();
  }

  protected readStop(): void {
    this.wanted = false;
    this.socket.pause();
  }

  protected shutdown(): void {
    this.socket.end();
  }

  protected closeSocket(): void {
    this.socket.destroy();
  }
}
