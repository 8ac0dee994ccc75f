// The code to start with, for each protocol: our client, the command line, and what others use on devices.

import type { Variant } from '../variant.ts';
import type { Start } from './advice.ts';

const LIBRARIES: Readonly<Record<Variant['family'], readonly string[]>> = {
  mqtt: ['Eclipse Paho (C, Java, Python, Go)', 'mqtt (npm)', 'ESP-MQTT (ESP-IDF)', 'coreMQTT (FreeRTOS)'],
  mqttsn: ['Eclipse Paho MQTT-SN embedded C', 'emcute (RIOT)', 'MQTT-SN of Zephyr'],
  coap: ['libcoap (C)', 'aiocoap (Python)', 'Eclipse Californium (Java)', 'gcoap (RIOT)', 'CoAP of Zephyr'],
  websocket: ['WebSocket of every browser, with docs/protocols/waymeet-v1.md'],
  http: ['fetch of every browser', 'curl', 'esp_http_client (ESP-IDF)'],
  amqp: ['Qpid Proton (C, Python)', 'rhea (npm)', 'amqplib (npm)', 'Pika (Python)'],
  stomp: ['stomp.py (Python)', '@stomp/stompjs (npm)'],
  xmpp: ['@xmpp/client (npm)', 'slixmpp (Python)', 'Smack (Java)'],
};

const SCHEMES: Readonly<Record<Variant['family'], readonly [plain: string, secure: string]>> = {
  mqtt: ['mqtt', 'mqtts'],
  mqttsn: ['mqttsn', 'mqttsns'],
  coap: ['coap', 'coaps'],
  websocket: ['json+ws', 'json+wss'],
  http: ['http', 'https'],
  amqp: ['amqp', 'amqps'],
  stomp: ['stomp', 'stomps'],
  xmpp: ['xmpp', 'xmpps'],
};

function urlOf(v: Variant): string {
  const secure = v.security !== 'none';
  const host = 'hub.example';
  if (v.family === 'mqtt' && v.webSocketPath !== undefined)
    return `${secure ? 'wss' : 'ws'}://${host}${v.webSocketPath}`;
  if (v.family === 'coap' && v.transport === 'tcp') {
    const over = v.webSocketPath === undefined ? 'tcp' : 'ws';
    return `${secure ? 'coaps' : 'coap'}+${over}://${host}`;
  }
  const scheme = SCHEMES[v.family][secure ? 1 : 0];
  if (v.id.startsWith('amqp091')) return `${secure ? 'amqp091s' : 'amqp091'}://${host}`;
  return `${v.id.startsWith('ws-cbor') ? scheme.replace('json', 'cbor') : scheme}://${host}`;
}

export function codeFor(v: Variant): Start {
  const url = urlOf(v);
  return {
    url,
    shell: [
      `waymeet sub ${url} -t 'sensors/+/temp' -q ${v.qos}`,
      `waymeet pub ${url} -t sensors/1/temp -m 21.5 -q ${v.qos}`,
    ].join('\n'),
    javascript: [
      "import { connect } from 'waymeet/client';",
      '',
      `const client = await connect('${url}');`,
      `await client.publish('sensors/1/temp', '21.5', { qos: ${v.qos} });`,
    ].join('\n'),
    libraries: LIBRARIES[v.family],
  };
}
