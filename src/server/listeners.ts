// Opens what the plan says: which transport and which towers make each listener.

import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import type { OwnedHub } from '../contract/hub.ts';
import type { Protocol } from '../contract/wire.ts';
import { amqp1 } from '../protocol/amqp1/protocol.ts';
import { amqp091 } from '../protocol/amqp091/protocol.ts';
import { type CoapSettings, coap, coapMessages, coapStream } from '../protocol/coap/protocol.ts';
import { mqtt } from '../protocol/mqtt/protocol.ts';
import { advertisement, mqttsn } from '../protocol/mqttsn/protocol.ts';
import { stomp } from '../protocol/stomp/protocol.ts';
import { waymeetJson } from '../protocol/websocket/protocol.ts';
import { xmpp, xmppMessages } from '../protocol/xmpp/protocol.ts';
import type { Credentials, TlsCredentials } from '../transport/contexts.ts';
import { listenDtls } from '../transport/dtls.ts';
import type { Listener, ListenerLimits, ListenerOptions } from '../transport/listener.ts';
import type { Loop } from '../transport/loop.ts';
import { StartTls } from '../transport/starttls.ts';
import { listenTcp } from '../transport/tcp.ts';
import { listenTls, type TlsOptions } from '../transport/tls.ts';
import { listenUdp, type UdpOptions } from '../transport/udp.ts';
import { listenUnix } from '../transport/unix.ts';
import type { Engines } from './auth.ts';
import type { PlannedListener, ProtocolName } from './config/listeners.ts';
import type { MqttSnConfig, TlsConfig } from './config/schema.ts';
import type { OscoreFiles } from './oscore.ts';
import { listenWeb, type WebParts } from './web.ts';

const ALL_COAP_NODES = ['224.0.1.187', 'ff02::fd', 'ff05::fd']; // [RFC7252-12.8]

/** What clients may ask for by ALPN. Which protocol is spoken, its first octets tell. */
const ALPN: Partial<Record<ProtocolName, string>> = {
  mqtt: 'mqtt',
  coap: 'coap', // [RFC8323-8.2]
  xmpp: 'xmpp-client', // [XEP-0368-5]
};

/** A listener that is open. */
export interface OpenListener {
  readonly plan: PlannedListener;
  readonly listener: Listener;
  /** Reads the certificates of `tls`, for connections made from now on; absent where there are none. */
  readonly reload?: (tls: TlsConfig) => void;
}

export interface ListenerParts {
  readonly oscore: OscoreFiles;
  readonly hub: OwnedHub;
  readonly loop: Loop;
  readonly engines: Engines;
  readonly web: WebParts;
}

/** A listener could not be opened: which, why, and the fix. */
export class ListenError extends Error {}

/** Opens one planned listener on each of its addresses. Rejects with ListenError. */
export async function openListener(plan: PlannedListener, parts: ListenerParts): Promise<OpenListener[]> {
  // Counted from zero: whoever watches sees a protocol before its first client.
  for (const { name } of towers(plan, parts.oscore)) parts.hub.counters.of(name);
  if (plan.type === 'unix') return [await openOn('', plan, parts)];
  const open: OpenListener[] = [];
  for (const host of plan.hosts) {
    try {
      open.push(await openOn(host, plan, parts));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const lacking = code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT';
      if (lacking && plan.usual && open.length > 0) continue; // a machine without IPv6
      for (const { listener } of open) await listener.close();
      throw new ListenError(explain(plan, host, error as NodeJS.ErrnoException), { cause: error });
    }
  }
  return open;
}

async function openOn(host: string, plan: PlannedListener, parts: ListenerParts): Promise<OpenListener> {
  const { hub } = parts;
  const options = optionsOf(plan, parts);
  const speaks = towers(plan, parts.oscore);
  switch (plan.type) {
    case 'tcp': {
      const securer = startTlsOf(plan);
      const inside = securer === undefined ? {} : { securer };
      const where = { ...options, ...inside, host, port: plan.port };
      const listener = await listenTcp(speaks, hub, where);
      if (securer === undefined) return { plan, listener };
      return { plan, listener, reload: (next) => securer.load(credentialsOf(next)) };
    }
    case 'unix':
      return { plan, listener: await listenUnix(speaks, hub, { ...options, path: plan.path! }) };
    case 'tls': {
      const tls = tlsOptions(plan, parts.engines);
      const listener = await listenTls(speaks, hub, { ...options, ...tls, host, port: plan.port });
      return { plan, listener, reload: (next) => listener.reload(credentialsOf(next)) };
    }
    case 'ws':
    case 'wss':
      return listenWeb(host, plan, hub, options, parts.web);
    case 'dtls': {
      const { proxy: _, ...datagrams } = options;
      const { minVersion: _version, ...dtls } = tlsOptions(plan, parts.engines);
      const listener = await listenDtls(speaks, hub, { ...datagrams, ...dtls, host, port: plan.port });
      return { plan, listener, reload: (next) => listener.reload(credentialsOf(next)) };
    }
    case 'udp': {
      const { proxy: _, ...datagrams } = options;
      const name = plan.protocols[0]!;
      const special =
        name === 'mqttsn'
          ? snSocket(host, plan.mqttsn)
          : { groups: plan.coap.multicast ? ALL_COAP_NODES : [] };
      const socket = { ...datagrams, ...special, host, port: plan.port };
      return { plan, listener: await listenUdp(speaks[0]!, hub, socket) };
    }
  }
}

function towers(plan: PlannedListener, oscore: OscoreFiles): Protocol[] {
  return plan.protocols.map((name) => tower(name, plan, oscore));
}

/** The tower of a protocol, with what the listener says about it. */
export function tower(name: ProtocolName, plan: PlannedListener, oscore: OscoreFiles): Protocol {
  switch (name) {
    case 'mqtt':
      return mqtt(plan.mqtt as Parameters<typeof mqtt>[0]);
    case 'coap':
      return coapOn(plan, oscore);
    case 'mqttsn':
      return mqttsnOn(plan.mqttsn);
    case 'waymeet':
      return waymeetJson();
    case 'amqp091':
      return amqp091();
    case 'amqp1':
      return amqp1();
    case 'stomp':
      return stomp();
    case 'xmpp':
      return xmppOn(plan);
  }
}

/** XMPP as the carrier of the listener frames it. */
function xmppOn({ type, xmpp: said }: PlannedListener): Protocol {
  const { domain, starttls, resume, stanza, ping } = said;
  const options = { domain, startTls: starttls, resumeMs: resume, stanzaBytes: stanza, pingMs: ping };
  return type === 'ws' || type === 'wss' ? xmppMessages(options) : xmpp(options);
}

/** TLS inside of connections costs the bare handles, so that only who needs it has it. */
function startTlsOf({ protocols, tls }: PlannedListener): StartTls | undefined {
  if (protocols.join() !== 'xmpp' || tls.cert === undefined) return undefined;
  return new StartTls({
    ...credentialsOf(tls),
    requestCertificate: tls.ca !== undefined,
    requireCertificate: tls.requireCert,
    minVersion: tls.minVersion,
  });
}

function mqttsnOn(said: MqttSnConfig): Protocol {
  return mqttsn({
    version: said.version,
    gatewayId: said.gatewayId,
    predefined: said.predefined ?? new Map(),
    clients: said.clients ?? new Map(),
    qosMinusOne: said.qosMinusOne,
    roaming: said.roaming,
    verifyAddresses: said.verifyAddresses,
    retryMs: said.retry,
    retries: said.retries,
    waitMs: said.wait,
    window: said.inflight,
    registrations: said.registrations,
    nodesPerForwarder: said.nodesPerForwarder,
    messagesPerSecond: said.messagesPerSecond,
  });
}

/** A device may sleep for 18 hours, and is to be known when it wakes up. */
const SLEEPER_MS = 86_400_000;

/** What is special about the sockets of MQTT-SN: long silence, and being found. */
function snSocket(host: string, { multicast, advertise, gatewayId }: MqttSnConfig): Partial<UdpOptions> {
  const everywhere = host === '0.0.0.0' || host === '::';
  if (multicast === undefined || !everywhere || isIPv6(multicast) !== isIPv6(host))
    return { idleMs: SLEEPER_MS };
  const seconds = Math.min(0xffff, Math.ceil(advertise / 1_000));
  const beacon = { group: multicast, bytes: advertisement(gatewayId, seconds), everyMs: advertise };
  return { idleMs: SLEEPER_MS, beacon };
}

/** CoAP as the carrier of the listener frames it. */
function coapOn({ type, coap: said }: PlannedListener, oscore: OscoreFiles): Protocol {
  const settings: CoapSettings = {
    verifyAddresses: said.verifyAddresses,
    maxBodyBytes: said.body,
    requestsPerSecond: said.requestsPerSecond,
    rpcTimeoutMs: said.rpcTimeout,
    plugtest: said.plugtest,
    oscore: said.oscore === undefined ? undefined : oscore.at(said.oscore),
  };
  switch (type) {
    case 'udp':
    case 'dtls':
      return coap(settings);
    case 'ws':
    case 'wss':
      return coapMessages(settings);
    default:
      return coapStream(settings);
  }
}

function optionsOf(plan: PlannedListener, { loop }: ListenerParts): ListenerOptions {
  return { loop, name: plan.name, proxy: plan.proxy, ...limitsOf(plan) };
}

/** The limits of a listener, as the transport takes them. */
export function limitsOf({ limits }: PlannedListener): ListenerLimits {
  return {
    maxPacketBytes: limits.maxPacketBytes,
    loginMs: limits.loginMs,
    firstByteMs: limits.firstByteMs,
    maxConnections: limits.connections,
    maxConnectionsPerAddress: limits.connectionsPerAddress,
    acceptsPerSecond: Number.isFinite(limits.acceptPerSecond) ? limits.acceptPerSecond : 0,
    connectsPerAddress: limits.connectsPerAddress,
    datagramsPerAddress: limits.datagramsPerAddress,
  };
}

function tlsOptions(plan: PlannedListener, engines: Engines): Omit<TlsOptions, 'port' | 'loop' | 'name'> {
  const { tls } = plan;
  const alpn = plan.protocols.flatMap((name) => ALPN[name] ?? []);
  return {
    ...credentialsOf(tls),
    ...(alpn.length === 0 ? { alpnStrict: false } : { alpn }),
    requestCertificate: tls.ca !== undefined,
    requireCertificate: tls.requireCert,
    minVersion: tls.minVersion,
    ...(tls.psk === undefined
      ? {}
      : { preSharedKey: (identity) => engines.preSharedKey(plan.name, identity) }),
  };
}

/** Reads the files. Throws the system's error, which names the file. */
export function credentialsOf(tls: TlsConfig): TlsCredentials {
  const read = (cert: string, key: string): Credentials => ({
    cert: readFileSync(cert),
    key: readFileSync(key),
    ...(tls.ca === undefined ? {} : { ca: readFileSync(tls.ca) }),
    ...(tls.crl === undefined ? {} : { crl: readFileSync(tls.crl) }),
  });
  return {
    ...(tls.cert === undefined || tls.key === undefined ? {} : { credentials: read(tls.cert, tls.key) }),
    byServerName: Object.fromEntries((tls.sni ?? []).map((one) => [one.name, read(one.cert, one.key)])),
  };
}

function explain(plan: PlannedListener, host: string, error: NodeJS.ErrnoException): string {
  const where = `listener '${plan.name}' cannot listen on ${plan.path ?? `${host} port ${plan.port}`}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where}: something else does already; stop it (ss -lntup shows what it is), or choose another port`;
    case 'EACCES':
      return `${where}: that needs privileges; choose a port from 1024, or grant CAP_NET_BIND_SERVICE`;
    case 'EADDRNOTAVAIL':
      return `${where}: this machine has no such address; 'host' must be one of its own`;
    case 'ENOENT':
      return `${where}: ${error.message}; make the file, or correct its path`;
    default:
      return `${where}: ${error.message}`;
  }
}
