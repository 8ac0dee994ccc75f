// Recipes for CoAP, plain and over DTLS.

import { levels, quoted as q, sh } from './quote.ts';
import type { Place, ProtocolEntry, Tool } from './recipe.ts';

function libcoap(p: Place, scheme: string, key: string): Tool {
  const query = p.user === '' ? '' : `?u=${encodeURIComponent(p.user)}&p=${encodeURIComponent(p.password)}`;
  const url = sh(`${scheme}://${p.host}:${p.port}/t/${levels(p.topic)}${query}`);
  return {
    name: 'libcoap',
    install: 'apt install libcoap3-bin',
    publish: `coap-client${key} -m put -e hello ${url}`,
    subscribe: `coap-client${key} -s 60 ${url}`,
  };
}

function path(p: Place): string {
  return `/t/${levels(p.topic)}`;
}

export const COAP: ProtocolEntry = {
  id: 'coap',
  title: 'CoAP',
  about: 'PUT publishes, GET reads the retained value, GET with Observe subscribes.',
  protocols: ['coap'],
  carrier: 'udp',
  enable: 'ports: { coap: 5683 }',
  tools: (p) => [
    libcoap(p, 'coap', ''),
    {
      name: 'JavaScript',
      install: 'npm install coap',
      publish: `import coap from 'coap';

const observe = coap.request({ host: ${q(p.host)}, port: ${p.port}, pathname: ${q(`/t/${p.topic}`)}, observe: true });
observe.on('response', (r) => r.on('data', (payload) => console.log(String(payload))));
observe.end();
coap.request({ host: ${q(p.host)}, port: ${p.port}, pathname: ${q(`/t/${p.topic}`)}, method: 'PUT' }).end('hello');`,
      subscribe: '',
    },
    {
      name: 'Python',
      install: 'pip install aiocoap',
      publish: `import asyncio
from aiocoap import Context, Message, PUT

async def main():
    coap = await Context.create_client_context()
    request = Message(code=PUT, uri=${q(`coap://${p.host}:${p.port}${path(p)}`)}, payload=b"hello")
    print((await coap.request(request).response).code)

asyncio.run(main())`,
      subscribe: '',
    },
    {
      name: 'Arduino',
      install: 'ESP32 or ESP8266, with the library CoAP simple library',
      publish: `#include <WiFi.h>
#include <WiFiUdp.h>
#include <coap-simple.h>

WiFiUDP udp;
Coap coap(udp);
IPAddress hub;

void setup() {
  WiFi.begin("network", "password");
  while (WiFi.status() != WL_CONNECTED) delay(100);
  WiFi.hostByName(${q(p.host)}, hub);
  coap.start();
}

void loop() {
  coap.put(hub, ${p.port}, ${q(path(p).slice(1))}, "hello");
  coap.loop();
  delay(5000);
}`,
      subscribe: '',
    },
    {
      name: 'waymeet',
      install: 'npm install -g waymeet',
      publish: `waymeet pub ${sh(`coap://${p.host}:${p.port}${path(p)}`)} -m hello`,
      subscribe: `waymeet sub ${sh(`coap://${p.host}:${p.port}${path(p)}`)}`,
    },
  ],
};

export const COAPS: ProtocolEntry = {
  id: 'coaps',
  title: 'CoAP, DTLS',
  about: 'With a shared key: its identity is who the device is.',
  protocols: ['coap'],
  carrier: 'dtls',
  enable: 'tls: { psk: ./psk }   # a line a device: sensor-1:2b7e151628aed2a6abf7158809cf4f3c',
  tools: (p) => [libcoap({ ...p, user: '' }, 'coaps', ' -u sensor-1 -k "$KEY"')],
};
