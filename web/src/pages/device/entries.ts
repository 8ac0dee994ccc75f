// The protocols that a device may speak, in the order in which they are offered.

import { COAP, COAPS } from './coap.ts';
import { AMQP1, AMQP091, STOMP, XMPP } from './messaging.ts';
import { MQTT, MQTT_SN, MQTT_WEB, MQTTS } from './mqtt.ts';
import type { ProtocolEntry } from './recipe.ts';
import { HTTP, JSON_WEB } from './web.ts';

export const ENTRIES: readonly ProtocolEntry[] = [
  MQTT,
  MQTTS,
  MQTT_WEB,
  COAP,
  COAPS,
  MQTT_SN,
  HTTP,
  JSON_WEB,
  STOMP,
  AMQP091,
  AMQP1,
  XMPP,
];
