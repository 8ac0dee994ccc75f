// How a client logs in: the CONNECT that its options make, and what the CONNACK leaves it able to do.

import { type Message, NEVER, type Qos } from '../../contract/message.ts';
import type { Ability, Opened, SpeakerOptions, Will as SpokenWill } from '../../contract/speaker.ts';
import { EXTENSIONS, propertiesOf, userOf, userPropertiesOf } from './map.ts';
import {
  CONNECT,
  type Connack,
  type Connect,
  type Level,
  NO_PROPERTIES,
  type Properties,
  type Will,
} from './packet.ts';

const LEVELS: Readonly<Record<string, Level>> = { '5': 5, '5.0': 5, '3.1.1': 4, '311': 4, '3.1': 3, '31': 3 };

/** What the setting `version` may say. */
export function levelOf(version: string | undefined): Level | undefined {
  return version === undefined ? 5 : LEVELS[version];
}

const BOTH: readonly Qos[] = [0, 1, 2];

/** All that MQTT 5 can. */
export const ABILITY_5: Ability = {
  publishQos: BOTH,
  subscribeQos: BOTH,
  retain: true,
  wildcards: true,
  shared: true,
  queues: true,
  sessions: true,
  wills: true,
  expiry: true,
  noLocal: true,
  retainedChoice: true,
  retainAsPublished: true,
  identifier: true,
  login: ['user', 'maxPacketBytes', 'topicAliases'],
  meta: ['contentType', 'text', 'responseTopic', 'correlation', 'user'],
};

/** 3.1 and 3.1.1 have no properties; whether a `$share` filter is one is the server's own affair, and most take it. */
const ABILITY_3: Ability = {
  ...ABILITY_5,
  expiry: false,
  noLocal: false,
  retainedChoice: false,
  retainAsPublished: false,
  identifier: false,
  login: [],
  meta: [],
};

/** What is left of it with this server. Setting `queues`: it has `$queue/…`, whatever it says. */
function abilityOf(level: Level, p: Properties, settings: SpeakerOptions['settings']): Ability {
  const told = p.userProperty?.some(([name, value]) => name === EXTENSIONS && value === 'queues') === true;
  const queues = told || settings.queues === 'true';
  if (level !== 5) return { ...ABILITY_3, queues };
  const most = p.maximumQos ?? 2;
  return {
    ...ABILITY_5,
    publishQos: BOTH.filter((qos) => qos <= most),
    retain: p.retainAvailable !== 0,
    wildcards: p.wildcardSubscriptionAvailable !== 0,
    shared: p.sharedSubscriptionAvailable !== 0,
    queues,
    identifier: p.subscriptionIdentifierAvailable !== 0,
    sessions: p.sessionExpiryInterval !== 0,
  };
}

/** Topics that the server may give a number to, unless the caller says otherwise. */
const TOPIC_ALIASES = 64;
const NEVER_EXPIRES = 0xffff_ffff;
/** [MQTT5-3.2.2.3.3] */
const MAX_IN_FLIGHT = 65_535;

export function connectOf(o: SpeakerOptions, level: Level, proof: Uint8Array | undefined): Connect {
  return {
    type: CONNECT,
    level,
    bridge: false,
    clean: o.clean,
    keepAlive: Math.min(65_535, Math.ceil(o.keepAliveMs / 1_000)),
    clientId: o.clientId,
    will: o.will === undefined ? undefined : willOf(o.will, level, o.now()),
    username: o.username,
    // [MQTT311-3.1.2-22]: no password without a user name before MQTT 5.
    password:
      level < 5 && o.username === undefined ? undefined : o.sasl === undefined ? o.password : undefined,
    properties: level === 5 ? loginProperties(o, proof) : NO_PROPERTIES,
  };
}

export function aliasesOf({ topicAliases }: SpeakerOptions): number {
  return topicAliases ?? TOPIC_ALIASES;
}

function loginProperties(o: SpeakerOptions, proof: Uint8Array | undefined): Properties {
  const p: Properties = {
    userProperty: [[EXTENSIONS, '?'], ...userPropertiesOf(o.user ?? [])],
  };
  if (aliasesOf(o) > 0) p.topicAliasMaximum = aliasesOf(o);
  if (o.maxPacketBytes !== undefined) p.maximumPacketSize = o.maxPacketBytes;
  if (o.sessionExpiryMs > 0) p.sessionExpiryInterval = secondsOf(o.sessionExpiryMs);
  if (o.receiveMaximum < 65_535) p.receiveMaximum = o.receiveMaximum;
  if (o.sasl !== undefined) {
    p.authenticationMethod = o.sasl.mechanism;
    if (proof !== undefined) p.authenticationData = proof;
  }
  return p;
}

/** Rounded up: what is to be kept for a moment is not to be dropped at once. */
export function secondsOf(ms: number): number {
  return ms === NEVER ? NEVER_EXPIRES : Math.min(NEVER_EXPIRES - 1, Math.ceil(ms / 1_000));
}

function willOf({ message: m, delayMs }: SpokenWill, level: Level, now: number): Will {
  const { topic, payload, qos, retain } = m;
  return { topic, payload, qos, retain, properties: level === 5 ? willProperties(m, delayMs, now) : {} };
}

function willProperties(m: Message, delayMs: number, now: number): Properties {
  const p = m.meta === undefined ? {} : propertiesOf(m.meta);
  if (delayMs > 0) p.willDelayInterval = secondsOf(delayMs);
  if (m.expiresAt !== NEVER) p.messageExpiryInterval = Math.max(0, Math.ceil((m.expiresAt - now) / 1_000));
  return p;
}

/** What CONNACK leaves of what we asked for: the server's own values count [MQTT5-3.2.2-21]. */
export function openedOf(o: SpeakerOptions, level: Level, { sessionPresent, properties: p }: Connack) {
  const { serverKeepAlive, sessionExpiryInterval, reasonString, userProperty } = p;
  return {
    clientId: p.assignedClientIdentifier ?? o.clientId,
    // 3.1 has no word for it: a session that was to be kept is taken for kept.
    resumed: sessionPresent || (level === 3 && !o.clean),
    ability: abilityOf(level, p, o.settings),
    server: `MQTT ${['3.1', '3.1.1', '5'][level - 3]}`,
    maxPacketBytes: p.maximumPacketSize ?? NEVER,
    receiveMaximum: p.receiveMaximum ?? MAX_IN_FLIGHT,
    topicAliases: p.topicAliasMaximum ?? 0,
    keepAliveMs: serverKeepAlive === undefined ? o.keepAliveMs : serverKeepAlive * 1_000,
    sessionExpiryMs:
      sessionExpiryInterval === undefined ? o.sessionExpiryMs : millisecondsOf(sessionExpiryInterval),
    ...(reasonString !== undefined && { reason: reasonString }),
    user: userOf(userProperty ?? []),
  } satisfies Opened;
}

function millisecondsOf(seconds: number): number {
  return seconds === NEVER_EXPIRES ? NEVER : seconds * 1_000;
}
