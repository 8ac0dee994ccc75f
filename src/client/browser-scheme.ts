// Which URL schemes there are in a browser besides MQTT's.

import type { Clock, DialledWire } from './carrier.ts';
import { dialFetch } from './fetch-wire.ts';
import { type Scheme, schemeOf } from './scheme-table.ts';

export interface BrowserScheme extends Scheme {
  /** How its wire is opened; absent: a WebSocket. */
  dial?(url: URL, clock: Clock, signal: AbortSignal): Promise<DialledWire>;
}

const coap = async () => (await import('../protocol/coap/client.ts')).coapMessageSpeech;
const json = async () => (await import('../protocol/websocket/client.ts')).WAYMEET_JSON;
const cbor = async () => (await import('../protocol/websocket/client.ts')).WAYMEET_CBOR;
const http = async () => (await import('./http.ts')).HTTP;

const COAP_PATH = '/.well-known/coap'; // [RFC8323-4]
const WAYMEET_PATH = '/waymeet';

const OTHERS: Readonly<Record<string, BrowserScheme>> = {
  'coap+ws:': { transport: 'ws', port: 80, path: COAP_PATH, load: coap },
  'coaps+ws:': { transport: 'wss', port: 443, path: COAP_PATH, load: coap },
  'json+ws:': { transport: 'ws', port: 80, path: WAYMEET_PATH, load: json },
  'json+wss:': { transport: 'wss', port: 443, path: WAYMEET_PATH, load: json },
  'cbor+ws:': { transport: 'ws', port: 80, path: WAYMEET_PATH, load: cbor },
  'cbor+wss:': { transport: 'wss', port: 443, path: WAYMEET_PATH, load: cbor },
  'http:': { transport: 'tcp', port: 80, load: http, dial: dialFetch },
  'https:': { transport: 'tls', port: 443, load: http, dial: dialFetch },
};

/** Throws WaymeetError 'not-supported'. `usual`: those that are tried first. */
export function otherScheme(url: URL, usual: Readonly<Record<string, BrowserScheme>>): BrowserScheme {
  return schemeOf(url, { ...usual, ...OTHERS });
}
