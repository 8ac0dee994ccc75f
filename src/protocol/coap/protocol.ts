// CoAP as the hub's owner sees it: one protocol over datagrams, streams and WebSocket messages.

import type { Protocol } from '../../contract/wire.ts';
import { UploadBudget } from './block.ts';
import { ExpressLane } from './express.ts';
import { startsWithCsm } from './frame.ts';
import { type CoapOptions, CoapPeer } from './peer.ts';
import { resources } from './resources.ts';
import { CoapStreamPeer } from './stream-peer.ts';

/** What a listener may say about CoAP. Sizes in octets, times in ms. */
export interface CoapSettings extends Partial<Omit<CoapOptions, 'uploads' | 'serve' | 'express'>> {
  /** What the unfinished uploads of all endpoints may hold together. */
  readonly uploadBytes?: number;
  /** How long `/rpc` waits for an answer. */
  readonly rpcTimeoutMs?: number;
  /** Use the express lane; the meaning is the same. Default: true. */
  readonly lane?: boolean;
  /** Serve the resources of the ETSI plugtests too. */
  readonly plugtest?: boolean;
}

const DEFAULTS = {
  idleMs: 247_000,
  maxWaiting: 8,
  maxBodyBytes: 1_048_576,
  requestsPerSecond: Number.POSITIVE_INFINITY,
  verifyAddresses: true,
  oscore: undefined,
};
const UPLOAD_BYTES = 64 * 1_048_576;
const RPC_TIMEOUT_MS = 10_000;

function optionsOf(settings: CoapSettings): CoapOptions {
  const { uploadBytes = UPLOAD_BYTES, rpcTimeoutMs = RPC_TIMEOUT_MS, plugtest = false } = settings;
  const { lane = true, ...said } = settings;
  const uploads = new UploadBudget(uploadBytes);
  const express = lane ? new ExpressLane() : undefined;
  return { ...DEFAULTS, ...said, uploads, express, serve: resources(rpcTimeoutMs, plugtest) };
}

/** CoAP over datagrams (RFC 7252): `coap://`, and over DTLS `coaps://`. */
export function coap(settings: CoapSettings = {}): Protocol {
  const options = optionsOf(settings);
  return {
    name: 'coap',
    carrier: 'datagram',
    open: (wire, hub, now) => new CoapPeer(wire, hub, options, now),
  };
}

/** CoAP over TCP and TLS (RFC 8323): `coap+tcp://`, `coaps+tcp://`. */
export function coapStream(settings: CoapSettings = {}): Protocol {
  const options = optionsOf(settings);
  return {
    name: 'coap+tcp',
    carrier: 'stream',
    matches: startsWithCsm,
    open: (wire, hub, now) => new CoapStreamPeer(wire, hub, options, false, now),
  };
}

/** CoAP over WebSockets (RFC 8323, section 4), subprotocol `coap`: `coap+ws://`. */
export function coapMessages(settings: CoapSettings = {}): Protocol {
  const options = optionsOf(settings);
  return {
    name: 'coap+ws',
    carrier: 'message',
    open: (wire, hub, now) => new CoapStreamPeer(wire, hub, options, true, now),
  };
}
