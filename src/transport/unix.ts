// The unix-socket listener.

import { chmod, lstat, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Hub } from '../contract/hub.ts';
import type { Protocol } from '../contract/wire.ts';
import { BACKLOG, Gate, type Listener, type ListenerOptions } from './listener.ts';
import { listenStream, StreamListener } from './tcp.ts';

export interface UnixOptions extends ListenerOptions {
  readonly path: string;
  /** Who may connect, as file mode bits. Default: the umask decides. */
  readonly mode?: number;
  /** Use Node's bare handles where it offers them. Default: true. */
  readonly raw?: boolean;
}

/** Listens on a unix socket. A socket file that a dead process left behind is replaced; anything else there is an error. */
export async function listenUnix(
  protocols: readonly Protocol[],
  hub: Hub,
  o: UnixOptions,
): Promise<Listener> {
  const gate = new Gate(protocols, hub, false, o);
  if (await abandoned(o.path)) await rm(o.path);
  const server = await listenStream(gate, { path: o.path, backlog: BACKLOG }, o.raw ?? true);
  const listener = new StreamListener(gate, server, `${protocols[0]!.name}+unix://${o.path}`);
  if (o.mode !== undefined) {
    try {
      await chmod(o.path, o.mode);
    } catch (error) {
      await listener.close();
      throw error;
    }
  }
  return listener;
}

/** Whether a socket file is there that nobody listens on. */
async function abandoned(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined || !found.isSocket()) return false;
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}
