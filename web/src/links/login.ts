// Where the page's connections lead, and what they say when they log in.

import type { ConnectOptions } from '../../../src/client/browser.ts';
import type { MessageOptions } from '../../../src/client/message.ts';
import type { UserProperty } from '../../../src/contract/message.ts';
import type { Dialect, LinkOptions, Outgoing, Pairs, WillOptions } from './link.ts';

/** Where the hub says that its WebSockets are. */
export interface Paths {
  readonly mqtt?: string;
  readonly json?: string;
  readonly coap?: string;
}

export function urlOf(
  dialect: Dialect,
  { mqtt = '/mqtt', json = '/waymeet', coap = '/.well-known/coap' }: Paths,
) {
  const { protocol, host, origin } = location;
  const secure = protocol === 'https:';
  switch (dialect) {
    case 'http':
      return origin;
    case 'waymeet':
      return `json+${secure ? 'wss' : 'ws'}://${host}${json}`;
    case 'coap':
      return `${secure ? 'coaps' : 'coap'}+ws://${host}${coap}`;
    default:
      return `${secure ? 'wss' : 'ws'}://${host}${mqtt}`;
  }
}

/** Soon at first, then more slowly: the hub may be restarting. */
const BACKOFF = { firstMs: 500, maxMs: 10_000 };

export function loginOf(o: LinkOptions): ConnectOptions {
  const five = o.dialect === 'mqtt5';
  // Before MQTT 5 a session that is not clean is kept for ever.
  const forEver = o.dialect === 'mqtt311' && !o.clean;
  return {
    clientId: o.clientId,
    clean: o.clean,
    ...(!forEver && { sessionExpiryMs: o.expirySeconds * 1_000 }),
    keepAliveMs: o.keepAliveSeconds * 1_000,
    ...(o.username !== '' && { username: o.username }),
    ...(o.password !== '' && { password: o.password }),
    ...(o.receiveMaximum > 0 && { receiveMaximum: o.receiveMaximum }),
    ...(o.will !== undefined && { will: willOf(o.will, o.dialect !== 'mqtt311') }),
    ...(five && {
      topicAliases: o.topicAliasMaximum,
      ...(o.maximumPacketBytes > 0 && { maxPacketBytes: o.maximumPacketBytes }),
      ...(o.user.length > 0 && { user: userOf(o.user) }),
    }),
    ...(o.dialect === 'mqtt311' && { settings: { version: '3.1.1' } }),
    backoff: BACKOFF,
    patient: true,
  };
}

/** `rich`: a will has properties. */
function willOf(w: WillOptions, rich: boolean): NonNullable<ConnectOptions['will']> {
  const { topic, payload, qos, retain, delaySeconds } = w;
  return {
    topic,
    payload,
    qos,
    retain,
    ...(rich && { ...propertiesOf(w), delayMs: delaySeconds * 1_000 }),
  };
}

/** What a form says of a message besides its topic and payload. */
export function propertiesOf(m: Omit<Outgoing, 'payload' | 'text'>): MessageOptions {
  return {
    ...(m.contentType !== '' && { contentType: m.contentType }),
    ...(m.responseTopic !== '' && { responseTopic: m.responseTopic }),
    ...(m.correlation !== '' && { correlation: m.correlation }),
    ...(m.expirySeconds > 0 && { expiryMs: m.expirySeconds * 1_000 }),
    ...(m.user.length > 0 && { user: userOf(m.user) }),
  };
}

function userOf(pairs: Pairs): UserProperty[] {
  return pairs.map(([name, value]) => ({ name, value }));
}
