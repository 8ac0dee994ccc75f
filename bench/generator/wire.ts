// One TCP connection: reads into a buffer that all connections share, keeps a packet that is not whole yet, writes ranges.

import { connect as netConnect } from 'node:net';
import {
  lastRead,
  lastWriteWasAsync,
  newClientHandle,
  newConnectRequest,
  newWriteRequest,
  type TcpHandle,
} from './raw.ts';

/** Room in front of the chunk for the beginning of a packet that the last chunk of this wire ended with. */
export const HEADROOM = 65_536;
const CHUNK_BYTES = 262_144;

// headroom (the rest of the last chunk ends where the new one begins) | chunk
const shared = new Uint8Array(HEADROOM + CHUNK_BYTES);
const chunk = shared.subarray(HEADROOM);

/** What a wire reports to. */
export interface WireUser {
  /** Octets `from` to `to` of `bytes`, valid during the call. Returns where the first packet that is not whole begins. */
  received(bytes: Uint8Array, from: number, to: number): number;
  closed(status: number): void;
}

let request = newWriteRequest();

export class Wire {
  private readonly handle: TcpHandle;
  private rest: Uint8Array | undefined;
  private restLength = 0;
  private ended = false;

  constructor(
    private readonly user: WireUser,
    accepted?: TcpHandle,
  ) {
    this.handle = accepted ?? newClientHandle();
    if (accepted !== undefined) this.start();
  }

  connect(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const connecting = newConnectRequest();
      const refused = (status: number) => reject(new Error(`connect to port ${port}: error ${status}`));
      connecting.oncomplete = (status) => {
        if (status !== 0) return refused(status);
        this.start();
        resolve();
      };
      const status = this.handle.connect(connecting, '127.0.0.1', port);
      if (status !== 0) refused(status);
    });
  }

  private start(): void {
    this.handle.setNoDelay(true);
    this.handle.useUserBuffer(chunk);
    this.handle.onread = () => this.read(lastRead());
    this.handle.readStart();
  }

  private read(count: number): void {
    if (this.ended) return;
    if (count < 0) {
      this.end();
      this.user.closed(count);
      return;
    }
    let from = HEADROOM;
    if (this.restLength > 0) {
      from -= this.restLength;
      for (let i = 0; i < this.restLength; i++) shared[from + i] = this.rest![i]!;
      this.restLength = 0;
    }
    const to = HEADROOM + count;
    const stopped = this.user.received(shared, from, to);
    if (stopped < to) this.keep(stopped, to);
  }

  private keep(from: number, to: number): void {
    const length = to - from;
    if (length > HEADROOM) throw new Error(`${length} octets of one packet kept: more than the headroom`);
    if (this.rest === undefined || this.rest.length < length)
      this.rest = new Uint8Array(Math.max(256, length));
    this.rest.set(shared.subarray(from, to));
    this.restLength = length;
  }

  /** True: the kernel took all of it. False: the range must stay as it is until it has left. */
  write(bytes: Uint8Array, from: number, to: number): boolean {
    if (this.ended) return true;
    const range = bytes.subarray(from, to);
    const status = this.handle.writeBuffer(request, range);
    if (status !== 0) {
      this.end();
      this.user.closed(status);
      return true;
    }
    if (!lastWriteWasAsync()) return true;
    const pending = request;
    pending.bytes = range;
    pending.oncomplete = (outcome) => {
      pending.bytes = null;
      if (outcome !== 0 && !this.ended) {
        this.end();
        this.user.closed(outcome);
      }
    };
    request = newWriteRequest();
    return false;
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.handle.close();
  }
}

/** Whether something accepts connections on the port. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = netConnect(port, '127.0.0.1');
    const answer = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
}
