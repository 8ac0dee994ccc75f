// Wires over net.Socket and tls.TLSSocket: the complete fallback of the bare handles, and the only way for TLS.

import type { Socket } from 'node:net';
import type { WireIdentity } from '../contract/wire.ts';
import type { Gate } from './listener.ts';
import { StreamWire } from './stream.ts';

export class SocketWire extends StreamWire {
  private readonly socket: Socket;
  private readonly onWritten = (error?: Error | null): void => {
    // A failed write is followed by 'error'.
    if (!error) this.written();
  };

  /** The socket must be made with `allowHalfOpen`, or its end would cut off what is still to be sent. */
  constructor(gate: Gate, socket: Socket, address: string, remote: string, identity: WireIdentity) {
    super(gate, address, remote, identity);
    this.socket = socket;
    // Paused until `begin`, which lets a protocol be opened first.
    socket.pause();
    // A 'data' listener on a paused socket does not start it.
    socket.on('data', (chunk: Uint8Array) => {
      this.arrived(chunk, 0, chunk.length, 0);
    });
    socket.on('end', () => this.finished());
    socket.on('error', (error) => this.failed(error.message));
    socket.on('close', () => this.failed('closed'));
  }

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
    this.socket.resume();
  }

  protected readStop(): void {
    this.socket.pause();
  }

  protected shutdown(): void {
    this.socket.end();
  }

  protected closeSocket(): void {
    this.socket.destroy();
  }
}
