// Datagrams on Node's bare UDP handle: without the lookups, lists and callbacks of dgram, a third of the CPU of a small server.

import type { RemoteInfo, Socket } from 'node:dgram';
import { getSystemErrorName } from 'node:util';
import type { Slab, Slabs } from '../contract/wire.ts';

// As in rawtcp.ts: process.binding is deprecated in documentation only, and all that is used of it is looked for at start-up. Where a
// piece is missing, the socket itself does the same work.

interface UdpHandle {
  onmessage: (status: number, handle: UdpHandle, bytes: Uint8Array, from: RemoteInfo) => void;
  send: SendCall;
  send6: SendCall;
}

/** Above 0: sent; 0: under way, and `oncomplete` follows; below: the system's error. */
type SendCall = (
  request: SendRequest,
  chunks: Uint8Array[],
  count: number,
  port: number,
  address: string,
  tells: boolean,
) => number;

interface SendRequest {
  oncomplete: (() => void) | undefined;
  /** Keeps the octets alive until they are sent. */
  chunks: Uint8Array[] | undefined;
}

/** A bound socket, as the listener uses it. */
export interface DatagramPort {
  /**
   * Sends one datagram. True: it is out, or lost (too large, no route): the protocol above repeats, or gives up. False: the octets are
   * still needed, and the sender is told later; `slab`, which they lie in, is held until then.
   */
  send(bytes: Uint8Array, slab: Slab | undefined, address: string, port: number, sender: Sender): boolean;
}

/** Who is told when a datagram is out. */
export interface Sender {
  sent(length: number): void;
}

export interface DatagramEvents {
  /** The octets are the receiver's own. */
  arrived(bytes: Uint8Array, from: RemoteInfo): void;
  /** ICMP's complaints about datagrams of ours, and the like. */
  failed(why: string): void;
}

/** Takes over a socket that is bound. */
export function openPort(socket: Socket, slabs: Slabs, events: DatagramEvents, raw = true): DatagramPort {
  const handle = raw ? handleOf(socket) : undefined;
  const SendWrap = raw ? sendWrap() : undefined;
  // ICMP's complaints come here for both.
  socket.on('error', (error) => events.failed(error.message));
  if (handle !== undefined && SendWrap !== undefined) {
    handle.onmessage = (status, _handle, bytes, from) => {
      if (status < 0) events.failed(getSystemErrorName(status));
      else events.arrived(bytes, from);
    };
    return new RawPort(handle, SendWrap, slabs, socket.address().family === 'IPv6');
  }
  socket.on('message', (bytes, from) => events.arrived(bytes, from));
  return {
    send(bytes, slab, address, port, sender) {
      // The socket keeps it beyond this turn, the slab does not.
      const kept = slab === undefined ? bytes : Buffer.from(bytes);
      socket.send(kept, port, address, () => sender.sent(kept.length));
      return false;
    },
  };
}

class RawPort implements DatagramPort {
  private readonly handle: UdpHandle;
  private readonly SendWrap: new () => SendRequest;
  private readonly slabs: Slabs;
  private readonly six: boolean;
  /** A send that is done at once leaves its request untouched. */
  private spare: SendRequest | undefined = undefined;
  private readonly list: Uint8Array[] = [];

  constructor(handle: UdpHandle, SendWrap: new () => SendRequest, slabs: Slabs, six: boolean) {
    this.handle = handle;
    this.SendWrap = SendWrap;
    this.slabs = slabs;
    this.six = six;
  }

  send(bytes: Uint8Array, slab: Slab | undefined, address: string, port: number, sender: Sender): boolean {
    const { handle, slabs, list } = this;
    const request = this.spare ?? new this.SendWrap();
    this.spare = undefined;
    list[0] = bytes;
    const status = this.six
      ? handle.send6(request, list, 1, port, address, true)
      : handle.send(request, list, 1, port, address, true);
    if (status !== 0) {
      this.spare = request;
      return true;
    }
    if (slab !== undefined) slabs.retain(slab);
    request.chunks = [bytes];
    request.oncomplete = () => {
      request.chunks = undefined;
      if (slab !== undefined) slabs.release(slab);
      sender.sent(bytes.length);
    };
    return false;
  }
}

/** The socket's handle, where this Node has it where it is looked for. */
function handleOf(socket: Socket): UdpHandle | undefined {
  const symbol = Object.getOwnPropertySymbols(socket).find((s) => s.description === 'state symbol');
  if (symbol === undefined) return undefined;
  const state = (socket as unknown as Record<symbol, { handle?: Partial<UdpHandle> } | undefined>)[symbol];
  const handle = state?.handle;
  const complete =
    typeof handle?.onmessage === 'function' &&
    typeof handle.send === 'function' &&
    typeof handle.send6 === 'function';
  return complete ? (handle as UdpHandle) : undefined;
}

function sendWrap(): (new () => SendRequest) | undefined {
  const load = (process as unknown as { binding?: (name: string) => { SendWrap?: new () => SendRequest } })
    .binding;
  if (typeof load !== 'function') return undefined;
  try {
    const { SendWrap } = load.call(process, 'udp_wrap');
    return typeof SendWrap === 'function' ? SendWrap : undefined;
  } catch {
    return undefined; // a Node without this binding; the socket does without it
  }
}
