// Recipes for MQTT, plain, over TLS and over WebSocket, and for MQTT-SN.

import { ours } from './ours.ts';
import { levels, pythonBytes, quoted as q, sh, urlHost } from './quote.ts';
import { type Place, type ProtocolEntry, TLS_LINES, type Tool } from './recipe.ts';

const APT = 'apt install mosquitto-clients, or brew install mosquitto';

function mosquitto(p: Place, more: string): Tool {
  const login = p.user === '' ? '' : ` -u ${sh(p.user)} -P ${sh(p.password)}`;
  const common = `-h ${p.host} -p ${p.port}${more}${login} -q 1 -t ${sh(p.topic)}`;
  return {
    name: 'mosquitto',
    install: APT,
    publish: `mosquitto_pub ${common} -m hello`,
    subscribe: `mosquitto_sub ${common} -v`,
  };
}

function javascript(p: Place, url: string, options: readonly string[]): Tool {
  const all = [
    ...options,
    ...(p.user === '' ? [] : [`username: ${q(p.user)}`, `password: ${q(p.password)}`]),
  ];
  const given = all.length === 0 ? '' : `, { ${all.join(', ')} }`;
  return {
    name: 'JavaScript',
    install: 'npm install mqtt',
    publish: `import mqtt from 'mqtt';

const client = await mqtt.connectAsync(${q(url)}${given});
client.on('message', (topic, payload) => console.log(topic, String(payload)));
await client.subscribeAsync(${q(p.topic)}, { qos: 1 });
await client.publishAsync(${q(p.topic)}, 'hello', { qos: 1 });`,
    subscribe: '',
  };
}

function python(p: Place, more: string): Tool {
  const auth = p.user === '' ? '' : `, auth={"username": ${q(p.user)}, "password": ${q(p.password)}}`;
  const where = `hostname=${q(p.host)}, port=${p.port}${more}${auth}`;
  return {
    name: 'Python',
    install: 'pip install paho-mqtt, or apt install python3-paho-mqtt',
    publish: `import paho.mqtt.publish as publish

publish.single(${q(p.topic)}, "hello", qos=1, ${where})`,
    subscribe: `import paho.mqtt.subscribe as subscribe

subscribe.callback(lambda client, user, m: print(m.topic, m.payload), ${q(p.topic)}, qos=1, ${where})`,
  };
}

const CA_LINES = `#include <WiFiClientSecure.h>

// the text of ca.pem
const char CA[] = R"(-----BEGIN CERTIFICATE-----
...
-----END CERTIFICATE-----
)";
`;

function arduino(p: Place, secure: boolean): Tool {
  const login = p.user === '' ? '' : `, ${q(p.user)}, ${q(p.password)}`;
  return {
    name: 'Arduino',
    install: 'ESP32, with the library PubSubClient',
    publish: `#include <WiFi.h>
#include <PubSubClient.h>
${secure ? CA_LINES : ''}
${secure ? 'WiFiClientSecure' : 'WiFiClient'} net;
PubSubClient client(net);

void setup() {
  WiFi.begin("network", "password");
  while (WiFi.status() != WL_CONNECTED) delay(100);
${secure ? '  net.setCACert(CA);\n' : ''}  client.setServer(${q(p.host)}, ${p.port});
}

void loop() {
  if (!client.connected()) client.connect("arduino-1"${login});
  client.publish(${q(p.topic)}, "hello");
  client.loop();
  delay(5000);
}`,
    subscribe: '',
  };
}

export const MQTT: ProtocolEntry = {
  id: 'mqtt',
  title: 'MQTT',
  about: 'Versions 3.1, 3.1.1 and 5.',
  protocols: ['mqtt'],
  carrier: 'tcp',
  enable: 'ports: { mqtt: 1883 }',
  tools: (p) => [
    mosquitto(p, ''),
    javascript(p, `mqtt://${urlHost(p.host)}:${p.port}`, []),
    python(p, ''),
    arduino(p, false),
    ours(p, `mqtt://${urlHost(p.host)}:${p.port}/${levels(p.topic)}`),
  ],
};

export const MQTTS: ProtocolEntry = {
  id: 'mqtts',
  title: 'MQTT, TLS',
  about: 'ca.pem: who signed the certificate of the hub, or the certificate itself when it signed itself.',
  protocols: ['mqtt'],
  carrier: 'tls',
  enable: TLS_LINES,
  tools: (p) => [
    mosquitto(p, ' --cafile ca.pem'),
    javascript(p, `mqtts://${urlHost(p.host)}:${p.port}`, [
      "ca: (await import('node:fs')).readFileSync('ca.pem')",
    ]),
    python(p, ', tls={"ca_certs": "ca.pem"}'),
    arduino(p, true),
    {
      name: 'openssl',
      install: 'shows the certificate, and why it is not trusted',
      publish: `openssl s_client -connect ${urlHost(p.host)}:${p.port} -CAfile ca.pem -brief </dev/null`,
      subscribe: '',
    },
  ],
};

export const MQTT_WEB: ProtocolEntry = {
  id: 'mqtt-ws',
  title: 'MQTT, WebSocket',
  about: 'For browsers, and through proxies that let only the web pass.',
  protocols: ['mqtt'],
  carrier: 'ws',
  enable: 'ports: { web: 8080 }',
  tools: (p) => [
    javascript(p, `${p.web.replace(/^http/, 'ws')}${p.paths.mqtt}`, []),
    python(p, ', transport="websockets"'),
  ],
};

export const MQTT_SN: ProtocolEntry = {
  id: 'mqttsn',
  title: 'MQTT-SN',
  about: 'Over UDP, for radios and batteries. The hub is the gateway.',
  protocols: ['mqttsn'],
  carrier: 'udp',
  enable: 'ports: { mqttsn: 1884 }',
  tools: (p) => [
    ours(p, `mqttsn://${urlHost(p.host)}:${p.port}/${levels(p.topic)}`),
    {
      name: 'Python',
      install: 'nothing to install: these are the packets',
      publish: `import socket

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((${q(p.host)}, ${p.port}))
ask = lambda packet: (s.send(packet), s.recv(1500))[1]
ask(${pythonBytes(connectPacket('device-1'))})  # CONNECT
registered = ask(${pythonBytes(registerPacket(p.topic))})  # REGISTER
s.send(b"\\x0c\\x0c\\x00" + registered[2:4] + b"\\0\\0" + b"hello")  # PUBLISH`,
      subscribe: '',
    },
    {
      name: 'Arduino',
      install: 'ESP32, with WiFiUDP and no library',
      publish: `#include <WiFi.h>
#include <WiFiUdp.h>

WiFiUDP udp;

void send(const uint8_t* packet, size_t length) {
  udp.beginPacket(${q(p.host)}, ${p.port});
  udp.write(packet, length);
  udp.endPacket();
}

void setup() {
  WiFi.begin("network", "password");
  while (WiFi.status() != WL_CONNECTED) delay(100);
}

void loop() {
  // QoS -1: no connection, the topic of two letters "t1"
  const uint8_t publish[] = {12, 0x0c, 0x62, 't', '1', 0, 0, 'h', 'e', 'l', 'l', 'o'};
  send(publish, sizeof publish);
  delay(5000);
}`,
      subscribe: '',
    },
  ],
};

/** length | 0x04 | clean session | protocol 1 | duration 60 s | client id [MQTTSN12-5.4.4] */
function connectPacket(clientId: string): Uint8Array {
  const id = new TextEncoder().encode(clientId);
  return Uint8Array.of(6 + id.length, 0x04, 0x04, 0x01, 0x00, 0x3c, ...id);
}

/** length | 0x0a | topic id 0 | message id 1 | topic; a length of one octet is 0x01 and two more above 255 [MQTTSN12-5.2.1] */
function registerPacket(topic: string): Uint8Array {
  const name = new TextEncoder().encode(topic);
  const short = 6 + name.length;
  const head = short < 256 ? [short] : [0x01, (short + 2) >> 8, (short + 2) & 0xff];
  return Uint8Array.of(...head, 0x0a, 0x00, 0x00, 0x00, 0x01, ...name);
}
