// Which URL schemes there are in Node.

import type { Scheme } from './scheme-table.ts';

const mqtt = async () => (await import('../protocol/mqtt/client.ts')).mqtt;
const mqttsn = async () => (await import('../protocol/mqttsn/client.ts')).mqttsnSpeech();
const coap = async () => (await import('../protocol/coap/client.ts')).coapSpeech;
const coapStream = async () => (await import('../protocol/coap/client.ts')).coapStreamSpeech;
const coapMessages = async () => (await import('../protocol/coap/client.ts')).coapMessageSpeech;
const amqp1 = async () => (await import('../protocol/amqp1/client.ts')).amqp1Speech;
const amqp091 = async () => (await import('../protocol/amqp091/client.ts')).amqp091Speech;
const stomp = async () => (await import('../protocol/stomp/client.ts')).stompSpeech;
const http = async () => (await import('./http.ts')).HTTP;
const json = async () => (await import('../protocol/websocket/client.ts')).WAYMEET_JSON;
const cbor = async () => (await import('../protocol/websocket/client.ts')).WAYMEET_CBOR;
const xmpp = async () => (await import('../protocol/xmpp/client.ts')).xmppSpeech;
const xmppMessages = async () => (await import('../protocol/xmpp/client.ts')).xmppMessageSpeech;

const COAP_PATH = '/.well-known/coap'; // [RFC8323-4]
const JSON_PATH = '/waymeet';
const XMPP_PATH = '/xmpp';

export const SCHEMES: Readonly<Record<string, Scheme>> = {
  'mqtt:': { transport: 'tcp', port: 1883, load: mqtt },
  'mqtts:': { transport: 'tls', port: 8883, load: mqtt },
  'ws:': { transport: 'ws', port: 80, path: '/mqtt', load: mqtt },
  'wss:': { transport: 'wss', port: 443, path: '/mqtt', load: mqtt },
  'unix:': { transport: 'unix', port: 0, load: mqtt },
  'mqtt+unix:': { transport: 'unix', port: 0, load: mqtt },
  'mqttsn:': { transport: 'udp', port: 1884, load: mqttsn },
  'mqttsns:': { transport: 'dtls', port: 8885, load: mqttsn },
  'coap:': { transport: 'udp', port: 5683, load: coap },
  'coaps:': { transport: 'dtls', port: 5684, load: coap },
  'coap+tcp:': { transport: 'tcp', port: 5683, load: coapStream },
  'coaps+tcp:': { transport: 'tls', port: 5684, load: coapStream },
  'coap+ws:': { transport: 'ws', port: 80, path: COAP_PATH, load: coapMessages },
  'coaps+ws:': { transport: 'wss', port: 443, path: COAP_PATH, load: coapMessages },
  'amqp:': { transport: 'tcp', port: 5672, load: amqp1 },
  'amqps:': { transport: 'tls', port: 5671, load: amqp1 },
  'amqp+ws:': { transport: 'ws', port: 80, path: '/amqp', load: amqp1 },
  'amqps+ws:': { transport: 'wss', port: 443, path: '/amqp', load: amqp1 },
  'amqp091:': { transport: 'tcp', port: 5672, load: amqp091 },
  'amqp091s:': { transport: 'tls', port: 5671, load: amqp091 },
  'stomp:': { transport: 'tcp', port: 61_613, load: stomp },
  'stomps:': { transport: 'tls', port: 61_614, load: stomp },
  'stomp+ssl:': { transport: 'tls', port: 61_614, load: stomp },
  'stomp+ws:': { transport: 'ws', port: 80, path: '/stomp', load: stomp },
  'stomp+wss:': { transport: 'wss', port: 443, path: '/stomp', load: stomp },
  'http:': { transport: 'tcp', port: 80, load: http },
  'https:': { transport: 'tls', port: 443, load: http },
  'json+ws:': { transport: 'ws', port: 80, path: JSON_PATH, load: json },
  'json+wss:': { transport: 'wss', port: 443, path: JSON_PATH, load: json },
  'cbor+ws:': { transport: 'ws', port: 80, path: JSON_PATH, load: cbor },
  'cbor+wss:': { transport: 'wss', port: 443, path: JSON_PATH, load: cbor },
  'xmpp:': { transport: 'tcp', port: 5222, upgrades: true, load: xmpp },
  'xmpps:': { transport: 'tls', port: 5223, load: xmpp },
  'xmpp+ws:': { transport: 'ws', port: 80, path: XMPP_PATH, load: xmppMessages },
  'xmpp+wss:': { transport: 'wss', port: 443, path: XMPP_PATH, load: xmppMessages },
};
