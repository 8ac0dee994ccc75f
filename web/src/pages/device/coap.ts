// Recipes for CoAP, plain and over DTLS.

import { ours } from './ours.ts';
import { levels, quoted as q, sh, urlHost } from './quote.ts';
import type { Place, ProtocolEntry, Tool } from './recipe.ts';

function libcoap(p: Place, scheme: string, key: string): Tool {
  const url = sh(`${scheme}://${urlHost(p.host)}:${p.port}${path(p)}${query(p)}`);
  return {
    name: 'libcoap',
    install: 'apt install libcoap3-bin; alias coap-client=coap-client-openssl',
    publish: `coap-client${key} -m put -e hello ${url}`,
    subscribe: `coap-client${key} -s 60 ${url}`,
  };
}

/** Who the device is. */
function query(p: Place): string {
  return p.user === '' ? '' : `?u=${encodeURIComponent(p.user)}&p=${encodeURIComponent(p.password)}`;
}

function path(p: Place): string {
  return `/t/${levels(p.topic)}`;
}

function arduino(p: Place): Tool {
  return {
    name: 'Arduino',
    install: 'ESP32, with the library CoAP simple library',
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
  coap.put(hub, ${p.port}, ${q(`t/${p.topic}`)}, "hello");
  coap.loop();
  delay(5000);
}`,
    subscribe: '',
  };
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

const topic = { host: ${q(p.host)}, port: ${p.port}, pathname: ${q(`/t/${p.topic}`)}${p.user === '' ? '' : `, query: ${q(query(p).slice(1))}`} };
const observe = coap.request({ ...topic, observe: true });
observe.on('response', (r) => r.on('data', (payload) => console.log(String(payload))));
observe.end();
coap.request({ ...topic, method: 'PUT' }).end('hello');`,
      subscribe: '',
    },
    {
      name: 'Python',
      install: 'pip install aiocoap',
      publish: `import asyncio
from aiocoap import Context, Message, PUT

async def main():
    coap = await Context.create_client_context()
    request = Message(code=PUT, uri=${q(`coap://${urlHost(p.host)}:${p.port}${path(p)}${query(p)}`)}, payload=b"hello")
    print((await coap.request(request).response).code)

asyncio.run(main())`,
      subscribe: '',
    },
    ...(p.user === '' ? [arduino(p)] : []), // its library has no queries
    ours(p, `coap://${urlHost(p.host)}:${p.port}${path(p)}`),
  ],
};

export const COAPS: ProtocolEntry = {
  id: 'coaps',
  title: 'CoAP, DTLS',
  about: 'With a shared key: its identity is who the device is.',
  protocols: ['coap'],
  carrier: 'dtls',
  enable:
    'tls: { psk: ./psk }   # a line a device, its key in hex: sensor-1:612d6b65792d6f662d7369787465656e',
  tools: (p) => [libcoap({ ...p, user: '' }, 'coaps', ' -u sensor-1 -k a-key-of-sixteen')],
};
