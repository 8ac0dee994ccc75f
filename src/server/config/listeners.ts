// From the configuration to the list of listeners: the usual ones, or those that were written, with what they inherit.

import type {
  AuthConfig,
  CoapConfig,
  Config,
  ListenerConfig,
  MqttConfig,
  MqttSnConfig,
  TlsConfig,
  XmppConfig,
} from './schema.ts';

export type ListenerType = ListenerConfig['type'];
export type ProtocolName = 'mqtt' | 'waymeet' | 'coap' | 'stomp' | 'mqttsn' | 'amqp091' | 'amqp1' | 'xmpp';

/** One listener with everything it inherits filled in. Sizes in octets, times in ms; Infinity: no limit. */
export interface PlannedListener {
  readonly name: string;
  readonly type: ListenerType;
  readonly protocols: readonly ProtocolName[];
  readonly hosts: readonly string[];
  /** The hosts were not chosen by anybody: one that this machine lacks (`::1`) is passed over. */
  readonly usual: boolean;
  readonly port: number;
  /** Of a unix socket. */
  readonly path: string | undefined;
  readonly proxy: boolean;
  readonly anonymous: boolean;
  readonly tls: TlsConfig;
  readonly auth: AuthConfig;
  readonly engine: 'open' | 'file';
  readonly mqtt: MqttConfig;
  readonly coap: CoapConfig;
  readonly mqttsn: MqttSnConfig;
  readonly xmpp: XmppConfig;
  readonly limits: {
    readonly maxPacketBytes: number;
    readonly connections: number;
    readonly connectionsPerAddress: number;
    readonly loginMs: number;
    readonly firstByteMs: number;
    readonly acceptPerSecond: number;
    readonly connectsPerAddress: number;
    readonly datagramsPerAddress: number;
  };
}

/** What each kind of listener may speak. */
export const SPOKEN: Readonly<Record<ListenerType, readonly ProtocolName[]>> = {
  tcp: ['mqtt', 'coap', 'stomp', 'amqp091', 'amqp1', 'xmpp'],
  tls: ['mqtt', 'coap', 'stomp', 'amqp091', 'amqp1', 'xmpp'],
  unix: ['mqtt', 'coap', 'stomp', 'amqp091', 'amqp1', 'xmpp'],
  ws: ['mqtt', 'waymeet', 'coap', 'stomp', 'amqp1', 'xmpp'],
  wss: ['mqtt', 'waymeet', 'coap', 'stomp', 'amqp1', 'xmpp'],
  udp: ['coap', 'mqttsn'],
  dtls: ['coap', 'mqttsn'],
};

/** The listeners of a configuration. */
export function plan(config: Config): PlannedListener[] {
  return (config.listeners ?? usual(config)).map((l) => {
    const auth = l.auth ?? config.auth;
    const hosts = l.host ?? config.host;
    return {
      name: l.name,
      type: l.type,
      protocols: l.protocols ?? spokenUnlessSaid(l.type),
      hosts: l.type === 'unix' ? [] : hosts,
      usual: hosts.join() === '127.0.0.1,::1',
      port: l.port ?? 0,
      path: l.path,
      proxy: l.proxy,
      anonymous: l.anonymous ?? config.anonymous,
      tls: l.tls ?? config.tls,
      auth,
      engine: engineOf(auth),
      mqtt: over(config.mqtt, l.mqtt),
      coap: over(config.coap, l.coap),
      mqttsn: over(config.mqttsn, l.mqttsn),
      xmpp: config.xmpp,
      limits: {
        maxPacketBytes: l.limits.packet ?? config.limits.packet,
        connections: l.limits.connections ?? Number.POSITIVE_INFINITY,
        connectionsPerAddress: l.limits.connectionsPerAddress ?? config.limits.connectionsPerAddress,
        loginMs: l.limits.login ?? config.limits.login,
        firstByteMs: l.limits.firstByte ?? config.limits.firstByte,
        acceptPerSecond: l.limits.acceptPerSecond ?? config.limits.acceptPerSecond,
        connectsPerAddress: l.limits.connectsPerAddress ?? config.limits.connectsPerAddress,
        datagramsPerAddress: l.limits.datagramsPerAddress ?? config.limits.datagramsPerAddress,
      },
    };
  });
}

export function engineOf(auth: AuthConfig): 'open' | 'file' {
  return auth.engine ?? (auth.users !== undefined || asksElsewhere(auth) ? 'file' : 'open');
}

/** Whether tokens or a service prove who somebody is. */
export function asksElsewhere({ jwt, http }: AuthConfig): boolean {
  return [jwt.jwks, jwt.key, jwt.secret, jwt.secretFile, http.url].some((said) => said !== undefined);
}

export function isSecure(type: ListenerType): boolean {
  return type === 'tls' || type === 'wss' || type === 'dtls';
}

/** Whether it has its ports among those of UDP. */
export function isDatagram(type: ListenerType): boolean {
  return type === 'udp' || type === 'dtls';
}

/** Datagrams do not tell which protocol they are: one listener speaks one. */
function spokenUnlessSaid(type: ListenerType): readonly ProtocolName[] {
  return isDatagram(type) ? ['coap'] : SPOKEN[type];
}

/** Whether only this machine can reach it. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function usual(config: Config): ListenerConfig[] {
  const certified = config.tls.cert !== undefined;
  // Devices have shared keys more often than certificates; browsers and MQTT clients do not.
  const secured = (type: ListenerType) => certified || (type === 'dtls' && config.tls.psk !== undefined);
  const found: ListenerConfig[] = [];
  const add = (name: string, type: ListenerType, port: number | 'off', ...only: ProtocolName[]) => {
    if (port === 'off' || (isSecure(type) && !secured(type))) return;
    const protocols = only.length === 0 ? {} : { protocols: only };
    found.push({ name, type, port, proxy: false, limits: {}, mqtt: {}, coap: {}, mqttsn: {}, ...protocols });
  };
  add('mqtt', 'tcp', config.ports.mqtt, 'mqtt');
  add('mqtts', 'tls', config.ports.mqtts, 'mqtt');
  add('web', 'ws', config.ports.web);
  add('webs', 'wss', config.ports.webs);
  add('coap', 'udp', config.ports.coap);
  add('coap-tcp', 'tcp', config.ports.coapTcp, 'coap');
  add('coaps-tcp', 'tls', config.ports.coapsTcp, 'coap');
  add('coaps', 'dtls', config.ports.coaps);
  add('mqttsn', 'udp', config.ports.mqttsn, 'mqttsn');
  add('mqttsns', 'dtls', config.ports.mqttsns, 'mqttsn');
  add('stomp', 'tcp', config.ports.stomp, 'stomp');
  add('stomps', 'tls', config.ports.stomps, 'stomp');
  add('amqp', 'tcp', config.ports.amqp, 'amqp091', 'amqp1');
  add('amqps', 'tls', config.ports.amqps, 'amqp091', 'amqp1');
  add('xmpp', 'tcp', config.ports.xmpp, 'xmpp');
  add('xmpps', 'tls', config.ports.xmpps, 'xmpp');
  return found;
}

function over<C extends object>(all: C, here: { [K in keyof C]?: C[K] | undefined }): C {
  const said = Object.fromEntries(Object.entries(here).filter(([, value]) => value !== undefined));
  return { ...all, ...said } as C;
}
