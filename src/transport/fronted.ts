// Reads the proxy's header in front of a socket that something else (TLS, HTTP) will read.

import type { Socket } from 'node:net';
import { decodeProxyHeader, type ProxyHeader } from './proxy.ts';

/**
 * Calls `found` once with the header, and then leaves the socket as if it had begun behind it. A socket that is silent for `withinMs` or ends
 * is destroyed; `broken` hears what was no header, and that socket is destroyed too.
 */
export function readProxyHeader(
  socket: Socket,
  withinMs: number,
  found: (header: ProxyHeader) => void,
  broken: (why: unknown) => void,
): void {
  const late = setTimeout(() => socket.destroy(), withinMs);
  let seen: Uint8Array = new Uint8Array(0);
  const onReadable = (): void => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    seen = Buffer.concat([seen, chunk]);
    let header: ProxyHeader | undefined;
    try {
      header = decodeProxyHeader(seen, 0, seen.length);
    } catch (error) {
      broken(error);
      socket.destroy();
      return;
    }
    if (header === undefined) return;
    clearTimeout(late);
    socket.off('readable', onReadable);
    socket.off('end', onEnd);
    if (header.end < seen.length) socket.unshift(seen.subarray(header.end));
    found(header);
  };
  const onEnd = (): void => {
    socket.destroy();
  };
  socket.on('readable', onReadable);
  socket.once('end', onEnd);
  socket.once('close', () => clearTimeout(late));
}

/** Names a connection from either side of TLS: a TLS socket does not tell which socket it was made from. */
export function connectionName(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`;
}
