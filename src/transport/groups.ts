// Multicast groups that a datagram listener hears too: which interfaces they are joined on, and how.

import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

/** A host that stands for all addresses of the machine. */
export function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

interface Place {
  /** As dgram's `addMembership` takes it: an IPv4 address, or `::%eth0`. */
  readonly on: string;
  /** What a socket for the group binds to: in IPv6 a group means something on an interface only. */
  readonly bind: string;
}

/** Where `group` is to be joined so that whoever listens on `host` hears it; the interface of that address, or each that is up. */
export function placesOf(group: string, host: string): Place[] {
  const six = isIPv6(group);
  if (six !== isIPv6(host)) return [];
  const places: Place[] = [];
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    const fitting = (addresses ?? []).filter((a) => (a.family === 'IPv6') === six);
    const here = isEverywhere(host)
      ? fitting.find((a) => !a.internal)
      : fitting.find((a) => a.address === host.split('%', 1)[0]);
    if (here === undefined) continue;
    places.push(six ? { on: `::%${name}`, bind: `${group}%${name}` } : { on: here.address, bind: group });
  }
  return places;
}

/** A socket that hears what is sent to the group alone. Rejects with the system's error. */
export async function hearGroup(group: string, { on, bind }: Place, port: number): Promise<Socket> {
  const socket = createSocket({ type: isIPv6(group) ? 'udp6' : 'udp4', reuseAddr: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ port, address: bind }, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    socket.addMembership(group, on);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}
