// Recipes for HTTP and for the JSON of waymeet.v1 over WebSocket.

import { levels, quoted as q, sh } from './quote.ts';
import type { Place, ProtocolEntry } from './recipe.ts';

function login(p: Place): string {
  return p.user === '' ? '' : ` -u ${sh(`${p.user}:${p.password}`)}`;
}

function socketUrl(p: Place): string {
  return `${p.web.replace(/^http/, 'ws')}${p.paths.json}`;
}

function connectFrame(p: Place): string {
  return JSON.stringify({
    type: 'connect',
    ...(p.user !== '' && { username: p.user, password: p.password }),
  });
}

export const HTTP: ProtocolEntry = {
  id: 'http',
  title: 'HTTP',
  about: 'POST publishes, GET reads the retained value, server-sent events subscribe.',
  protocols: ['waymeet', 'mqtt'],
  carrier: 'ws',
  enable: 'ports: { web: 8080 }',
  tools: (p) => {
    const url = `${p.web}/topics/${levels(p.topic)}`;
    const stream = `${p.web}/subscribe?filter=${encodeURIComponent(p.topic)}`;
    return [
      {
        name: 'curl',
        install: 'is there already',
        publish: `curl${login(p)} -d hello ${sh(`${url}?qos=1`)}`,
        subscribe: `curl${login(p)} -N ${sh(stream)}`,
      },
      {
        name: 'JavaScript',
        install: 'Node.js 20 or any browser page of this hub',
        publish: `await fetch(${q(url)}, { method: 'POST', body: 'hello'${headers(p)} });`,
        subscribe: `new EventSource(${q(stream)}).onmessage = (e) => console.log(JSON.parse(e.data).payload);   // in a browser`,
      },
      {
        name: 'Python',
        install: 'pip install requests',
        publish: `import requests

requests.post(${q(url)}, data="hello"${auth(p)}).raise_for_status()`,
        subscribe: `import requests

for line in requests.get(${q(stream)}, stream=True${auth(p)}).iter_lines():
    print(line.decode())`,
      },
      {
        name: 'Arduino',
        install: 'ESP32, with HTTPClient',
        publish: `#include <WiFi.h>
#include <HTTPClient.h>

void setup() {
  WiFi.begin("network", "password");
  while (WiFi.status() != WL_CONNECTED) delay(100);
}

void loop() {
  HTTPClient http;
  http.begin(${q(url)});
${p.user === '' ? '' : `  http.setAuthorization(${q(p.user)}, ${q(p.password)});\n`}  http.POST("hello");
  http.end();
  delay(5000);
}`,
        subscribe: '',
      },
    ];
  },
};

function auth(p: Place): string {
  return p.user === '' ? '' : `, auth=(${q(p.user)}, ${q(p.password)})`;
}

function headers(p: Place): string {
  return p.user === ''
    ? ''
    : `, headers: { Authorization: 'Basic ' + btoa(${q(`${p.user}:${p.password}`)}) }`;
}

export const JSON_WEB: ProtocolEntry = {
  id: 'waymeet',
  title: 'WebSocket, JSON',
  about: 'waymeet.v1: frames that anybody can write by hand.',
  protocols: ['waymeet'],
  carrier: 'ws',
  enable: 'ports: { web: 8080 }',
  tools: (p) => {
    const subscribe = JSON.stringify({ type: 'subscribe', filter: p.topic, id: 1 });
    const publish = JSON.stringify({ type: 'publish', topic: p.topic, payload: 'hello', id: 2 });
    return [
      {
        name: 'websocat',
        install: 'cargo install websocat, or brew install websocat',
        publish: `printf '%s\\n' ${sh(connectFrame(p))} ${sh(subscribe)} ${sh(publish)} | websocat -n --protocol waymeet.v1 ${sh(socketUrl(p))}`,
        subscribe: '',
      },
      {
        name: 'JavaScript',
        install: 'any browser console, or Node.js 22',
        publish: `const socket = new WebSocket(${q(socketUrl(p))}, 'waymeet.v1');
socket.onmessage = (e) => console.log(e.data);
socket.onopen = () => {
  socket.send(${q(connectFrame(p))});
  socket.send(${q(subscribe)});
  socket.send(${q(publish)});
};`,
        subscribe: '',
      },
      {
        name: 'Python',
        install: 'pip install websockets',
        publish: `from websockets.sync.client import connect

with connect(${q(socketUrl(p))}, subprotocols=["waymeet.v1"]) as socket:
    socket.send(${q(connectFrame(p))})
    socket.send(${q(subscribe)})
    socket.send(${q(publish)})
    for frame in socket:
        print(frame)`,
        subscribe: '',
      },
    ];
  },
};
