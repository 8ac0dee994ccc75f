// What a URL scheme says: the tower that speaks, what carries it, and the usual port.

import type { Speech } from '../contract/speaker.ts';
import { WaymeetError } from './error.ts';

export type Transport = 'tcp' | 'tls' | 'ws' | 'wss' | 'udp' | 'dtls' | 'unix';

export interface Scheme {
  readonly transport: Transport;
  /** 0: none. */
  readonly port: number;
  /** The protocol may begin TLS in a plain connection. */
  readonly upgrades?: true;
  /** WebSocket's path, where the URL has none. */
  readonly path?: string;
  /** Loads the tower's client room: only what is used is loaded. */
  load(): Promise<Speech>;
}

/** Throws WaymeetError 'not-supported' for a scheme that nobody speaks. */
export function schemeOf<S extends Scheme>(url: URL, known: Readonly<Record<string, S>>): S {
  const scheme = known[url.protocol];
  if (scheme !== undefined) return scheme;
  const others = Object.keys(known).map((name) => `${name}//`);
  throw new WaymeetError('not-supported', '', `nobody here speaks ${url.protocol}//`, {
    fix: `there is ${others.join(' ')}`,
  });
}

/** The port that is dialled. */
export function portOf(url: URL, scheme: Scheme): number {
  return Number(url.port) || scheme.port;
}

/** The host that is dialled, an IPv6 address without brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '') || 'localhost';
}
