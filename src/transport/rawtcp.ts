// Accepted connections on Node's bare stream handles: 20 % less CPU at one message in flight, half the memory of a net.Socket.

import type { Server } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { NOTHING_PROVEN } from './identity.ts';
import { type Gate, plainAddress, remoteName } from './listener.ts';
import { HEADROOM_BYTES } from './loop.ts';
import { openStream } from './opening.ts';
import { StreamWire } from './stream.ts';

// process.binding is deprecated (documentation only), but there in Node 20, 22 and 24, and nothing else reaches these handles. So all
// that is used of it is named here and looked for at start-up; where a piece is missing, sockets.ts does the same work.

interface Handle {
  onread: ((this: Handle) => Uint8Array | undefined) | undefined;
  wire: RawWire | undefined;
  readStart(): number;
  readStop(): number;
  useUserBuffer(buffer: Uint8Array): void;
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  writev(request: WriteRequest, chunks: Uint8Array[], allBuffers: true): number;
  shutdown(request: ShutdownRequest): number;
  close(): void;
  /** TCP handles only. */
  setNoDelay?(on: boolean): number;
  setKeepAlive?(on: boolean, seconds: number): number;
  getpeername?(out: { address?: string; port?: number }): number;
}

interface WriteRequest {
  oncomplete: ((this: WriteRequest, status: number) => void) | undefined;
  wire: RawWire | undefined;
  /** Keeps the octets alive until they are sent. */
  chunks: Uint8Array | Uint8Array[] | undefined;
}

interface ShutdownRequest {
  oncomplete: ((status: number) => void) | undefined;
}

interface ListeningHandle {
  onconnection: (status: number, handle: Handle | undefined) => void;
}

interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest;
  readonly ShutdownWrap: new () => ShutdownRequest;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
  readonly streamBaseState: Int32Array;
}

const UV_EOF = -4_095;
const KEEP_ALIVE_SECONDS = 60;
const METHODS = [
  'readStart',
  'readStop',
  'useUserBuffer',
  'writeBuffer',
  'writev',
  'shutdown',
  'close',
] as const;

/** The binding, or undefined where this Node lacks a piece of it. */
const binding = findBinding();

function findBinding(): StreamBinding | undefined {
  // On Windows a read owns its buffer while it waits, so that one buffer cannot serve all sockets.
  if (process.platform === 'win32') return undefined;
  const load = (process as unknown as { binding?: (name: string) => Partial<StreamBinding> }).binding;
  if (typeof load !== 'function') return undefined;
  try {
    const found = load.call(process, 'stream_wrap');
    const complete =
      typeof found.WriteWrap === 'function' &&
      typeof found.ShutdownWrap === 'function' &&
      typeof found.kReadBytesOrError === 'number' &&
      typeof found.kLastWriteWasAsync === 'number' &&
      found.streamBaseState instanceof Int32Array;
    return complete ? (found as StreamBinding) : undefined;
  } catch {
    // A Node without this binding throws; the sockets do without it.
    return undefined;
  }
}

/**
 * Takes the connections of a listening server as bare handles. False, and nothing changed, when this Node or this server does not
 * offer that; then the server's 'connection' events bring them.
 */
export function acceptRaw(server: Server, gate: Gate): boolean {
  const listening = (server as unknown as { _handle?: Partial<ListeningHandle> | null })._handle;
  if (binding === undefined || !listening || typeof listening.onconnection !== 'function') return false;
  const prototype = Object.getPrototypeOf(listening) as Partial<Handle>;
  if (!METHODS.every((method) => typeof prototype[method] === 'function')) return false;
  const { WriteWrap, ShutdownWrap, streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = binding;
  const io: RawIo = {
    WriteWrap,
    ShutdownWrap,
    streamBaseState,
    kReadBytesOrError,
    kLastWriteWasAsync,
    spare: undefined,
  };
  listening.onconnection = (status, handle) => {
    if (status !== 0 || handle === undefined) {
      gate.complain(new Error(getSystemErrorName(status)));
      return;
    }
    const peer: { address?: string; port?: number } = {};
    // A connection may be reset before it is accepted: then it has no name any more.
    const failed = handle.getpeername === undefined ? 0 : handle.getpeername(peer);
    const address = plainAddress(peer.address ?? '');
    if (failed !== 0 || !gate.admits(address)) {
      handle.close();
      return;
    }
    const remote = address === '' ? 'unix' : remoteName(address, peer.port ?? 0);
    new RawWire(gate, handle, io, address, remote).begin(openStream);
  };
  return true;
}

/** The binding and one write request to reuse: a write that is done at once leaves its request untouched. */
interface RawIo extends StreamBinding {
  spare: WriteRequest | undefined;
}

class RawWire extends StreamWire {
  private readonly handle: Handle;
  private readonly io: RawIo;
  private large = false;

  constructor(gate: Gate, handle: Handle, io: RawIo, address: string, remote: string) {
    super(gate, address, remote, NOTHING_PROVEN);
    this.handle = handle;
    this.io = io;
    handle.wire = this;
    handle.onread = onRead;
    handle.useUserBuffer(gate.loop.read.window);
    handle.setNoDelay?.(true);
    handle.setKeepAlive?.(true, KEEP_ALIVE_SECONDS);
  }

  /** A read ended. Returns the buffer for the next one, if that changes. */
  readDone(): Uint8Array | undefined {
    const count = this.io.streamBaseState[this.io.kReadBytesOrError]!;
    if (count > 0) {
      const loop = this.gate.loop;
      const { all } = this.large ? loop.large : loop.read;
      const large = this.arrived(all, HEADROOM_BYTES, HEADROOM_BYTES + count, HEADROOM_BYTES);
      if (large === this.large) return undefined;
      this.large = large;
      return (large ? loop.large : loop.read).window;
    }
    if (count === UV_EOF) this.finished();
    else if (count < 0) this.failed(getSystemErrorName(count));
    return undefined;
  }

  protected sendOne(bytes: Uint8Array): boolean {
    const request = this.request();
    return this.sent(this.handle.writeBuffer(request, bytes), request, bytes);
  }

  protected sendMany(chunks: Uint8Array[]): boolean {
    const request = this.request();
    return this.sent(this.handle.writev(request, chunks, true), request, chunks);
  }

  private request(): WriteRequest {
    const request = this.io.spare ?? new this.io.WriteWrap();
    this.io.spare = undefined;
    return request;
  }

  private sent(status: number, request: WriteRequest, chunks: Uint8Array | Uint8Array[]): boolean {
    if (status !== 0) {
      this.failed(getSystemErrorName(status));
      return false;
    }
    if (this.io.streamBaseState[this.io.kLastWriteWasAsync] === 0) {
      this.io.spare = request;
      return true;
    }
    request.wire = this;
    request.chunks = chunks;
    request.oncomplete = onWritten;
    return false;
  }

  writeDone(status: number): void {
    if (status === 0) this.written();
    else this.failed(getSystemErrorName(status));
  }

  protected packRoom(length: number): Uint8Array {
    return this.gate.loop.scratchFor(length);
  }

  protected readStart(): void {
    const status = this.handle.readStart();
    if (status !== 0) this.failed(getSystemErrorName(status));
  }

  protected readStop(): void {
    this.handle.readStop();
  }

  protected shutdown(): void {
    const request = new this.io.ShutdownWrap();
    request.oncomplete = ignore;
    const status = this.handle.shutdown(request);
    // ENOTCONN: the other side reset the connection meanwhile.
    if (status !== 0) this.failed(getSystemErrorName(status));
  }

  protected closeSocket(): void {
    this.handle.wire = undefined;
    this.handle.close();
  }
}

function onRead(this: Handle): Uint8Array | undefined {
  return this.wire?.readDone();
}

function onWritten(this: WriteRequest, status: number): void {
  const wire = this.wire;
  this.wire = undefined;
  this.chunks = undefined;
  wire?.writeDone(status);
}

/** The end of a shutdown tells nothing that the read side does not tell too. */
function ignore(): void {}
