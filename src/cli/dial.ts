// Opens the octet stream to a broker: TCP, TLS, WebSocket or a unix socket, as its URL says.

import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { EXIT, Failure } from './io.ts';

export interface Target {
  readonly url: URL;
  /** PEM files. */
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Accept any certificate. */
  readonly insecure: boolean;
}

const USUAL_PORTS: Readonly<Record<string, number>> = {
  'mqtt:': 1883,
  'mqtts:': 8883,
  'ws:': 80,
  'wss:': 443,
  'coap+tcp:': 5683,
  'coaps+tcp:': 5684,
};

/** Resolves once octets can be sent. Rejects with a Failure that names the address. */
export async function dial(target: Target): Promise<Duplex> {
  const { url } = target;
  const scheme = url.protocol;
  try {
    if (scheme === 'ws:' || scheme === 'wss:') return await dialWebSocket(target);
    if (scheme === 'unix:' || scheme === 'mqtt+unix:') {
      return await opened(connectTcp({ path: decodeURIComponent(url.pathname) }), 'connect');
    }
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const port = Number(url.port) || USUAL_PORTS[scheme]!;
    if (scheme === 'mqtts:' || scheme === 'coaps+tcp:') {
      const servername = /^[\d.:]+$/.test(host) ? undefined : host;
      const tls = {
        ...credentials(target),
        ...(servername === undefined ? {} : { servername }),
        ALPNProtocols: [scheme === 'mqtts:' ? 'mqtt' : 'coap'], // [RFC8323-8.2]
      };
      return await opened(connectTls({ host, port, ...tls }), 'secureConnect');
    }
    return await opened(connectTcp({ host, port, noDelay: true }), 'connect');
  } catch (error) {
    throw new Failure(`cannot connect to ${shown(url)}: ${reason(error)}`, EXIT.failed, error);
  }
}

/** The URL without its password. */
export function shown(url: URL): string {
  const copy = new URL(url);
  copy.username = '';
  copy.password = '';
  return copy.href;
}

function credentials(target: Target) {
  return {
    ...(target.ca === undefined ? {} : { ca: readFileSync(target.ca) }),
    ...(target.cert === undefined ? {} : { cert: readFileSync(target.cert) }),
    ...(target.key === undefined ? {} : { key: readFileSync(target.key) }),
    rejectUnauthorized: !target.insecure,
  };
}

async function dialWebSocket(target: Target): Promise<Duplex> {
  const { WebSocket, createWebSocketStream } = await import('ws');
  const url = new URL(shown(target.url));
  if (url.pathname === '/') url.pathname = '/mqtt';
  const socket = new WebSocket(url, 'mqtt', { perMessageDeflate: false, ...credentials(target) });
  const stream = createWebSocketStream(socket);
  return opened(stream, 'open', socket);
}

function opened<S extends Duplex>(
  stream: S,
  event: string,
  source: NodeJS.EventEmitter = stream,
): Promise<S> {
  return new Promise((resolve, reject) => {
    stream.once('error', reject);
    source.once(event, () => {
      stream.off('error', reject);
      resolve(stream);
    });
  });
}

function reason(error: unknown): string {
  const { code, message, errors } = error as { code?: string; message: string; errors?: unknown[] };
  if (code === 'ECONNREFUSED') return 'nobody listens there; is the broker running?';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'the host name is not known';
  if (code === 'ENOENT') return `there is no such file (${message})`;
  if (
    code === 'DEPTH_ZERO_SELF_SIGNED_CERT' ||
    code === 'SELF_SIGNED_CERT_IN_CHAIN' ||
    code === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
  ) {
    return 'its certificate is signed by nobody who is trusted here; name the authority with --cafile, or use --insecure';
  }
  // Node tries every address of a name and gathers what went wrong.
  if (message === '' && errors?.[0] !== undefined) return reason(errors[0]);
  return message;
}
