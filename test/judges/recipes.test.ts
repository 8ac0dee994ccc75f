// The lines that the dashboard offers to paste, run as a person would run them: each message arrives, and what subscribes hears one.

import { spawnSync } from 'node:child_process';
import { chmodSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ENTRIES } from '../../web/src/pages/device/entries.ts';
import type { Place, Tool as Recipe } from '../../web/src/pages/device/recipe.ts';
import { Authority } from '../transport/certificates.ts';
import { useBroker } from './broker.ts';
import { Inbox } from './inbox.ts';
import { endTools, isHere, judgedBy, run, Tool } from './tool.ts';

const ROOT = path.join(import.meta.dirname, '../..');
const LOCAL = { host: '127.0.0.1', port: 0 };

const broker = useBroker((b) => {
  const authority = new Authority();
  const { cert, key } = authority.issue('localhost');
  b.write('cert.pem', cert);
  b.write('key.pem', key);
  b.write('ca.pem', authority.ca);
  b.write('psk', /sensor-1:[0-9a-f]+/.exec(entryOf('coaps').enable)![0]);
  authority.remove();
  return {
    listeners: [
      { name: 'tcp', type: 'tcp', ...LOCAL, protocols: ['mqtt', 'stomp', 'amqp091', 'amqp1', 'xmpp'] },
      { name: 'tls', type: 'tls', ...LOCAL, tls: { cert: './cert.pem', key: './key.pem' } },
      { name: 'ws', type: 'ws', ...LOCAL },
      { name: 'udp', type: 'udp', ...LOCAL, protocols: ['coap'] },
      { name: 'dtls', type: 'dtls', ...LOCAL, protocols: ['coap'], tls: { psk: './psk' } },
      { name: 'sn', type: 'udp', ...LOCAL, protocols: ['mqttsn'] },
    ],
  };
});
endTools();

const PYTHON = '/usr/bin/python3';
const COAP_CLIENT = 'coap-client-openssl';
const PORTS: Readonly<Record<string, string>> = {
  mqttsn: 'sn',
  mqtts: 'tls',
  coap: 'udp',
  coaps: 'dtls',
  http: 'ws',
  waymeet: 'ws',
  'mqtt-ws': 'ws',
};
/** What shells, languages and routing keys might trip over. */
const TOPICS = "recipes/it's 1.5 %/ü";

/** Protocol, tool, the program or the Python module that must be here, and how it gets the lines. */
const RUN: readonly [protocol: string, tool: string, needs: string, command: (lines: string) => string[]][] =
  [
    ['mqtt', 'mosquitto', 'mosquitto_pub', shell],
    ['mqtt', 'JavaScript', 'node', node],
    ['mqtt', 'Python', 'paho.mqtt', python],
    ['mqtt', 'waymeet', 'node', shell],
    ['mqtts', 'mosquitto', 'mosquitto_pub', shell],
    ['mqtts', 'JavaScript', 'node', node],
    ['mqtts', 'Python', 'paho.mqtt', python],
    ['mqtt-ws', 'JavaScript', 'node', node],
    ['mqtt-ws', 'Python', 'paho.mqtt', python],
    ['coap', 'libcoap', COAP_CLIENT, shell],
    ['coap', 'JavaScript', 'node', node],
    ['coap', 'Python', 'aiocoap', python],
    ['coap', 'waymeet', 'node', shell],
    ['coaps', 'libcoap', COAP_CLIENT, shell],
    ['mqttsn', 'Python', PYTHON, python],
    ['mqttsn', 'waymeet', 'node', shell],
    ['http', 'curl', 'curl', shell],
    ['http', 'JavaScript', 'node', node],
    ['http', 'Python', 'requests', python],
    ['waymeet', 'websocat', 'websocat', shell],
    ['waymeet', 'JavaScript', 'node', node],
    ['waymeet', 'Python', 'websockets.sync.client', python],
    ['stomp', 'nc', 'nc', shell],
    ['stomp', 'JavaScript', 'node', node],
    ['stomp', 'Python', 'stomp', python],
    ['amqp091', 'amqp-tools', 'amqp-publish', shell],
    ['amqp091', 'JavaScript', 'node', node],
    ['amqp091', 'Python', 'pika', python],
    ['amqp1', 'JavaScript', 'node', node],
    ['amqp1', 'Python', 'proton', python],
    ['xmpp', 'Python', 'slixmpp', python],
  ];

/** What their `install` lines make: a command `waymeet`, and Debian's coap-client by its usual name. */
const INSTALLED = {
  waymeet: `node ${path.join(ROOT, 'dist/cli/main.js')}`,
  'coap-client': COAP_CLIENT,
};

function shell(lines: string): string[] {
  return ['bash', '-c', lines];
}

/** Node 20 has WebSocket behind a flag. */
function node(lines: string): string[] {
  return ['node', '--experimental-websocket', '--input-type=module', '-e', lines];
}

function python(lines: string): string[] {
  return [PYTHON, '-u', '-c', lines];
}

function entryOf(protocol: string) {
  return ENTRIES.find((e) => e.id === protocol)!;
}

function recipe(protocol: string, name: string, place: Partial<Place> = here(protocol)): Recipe {
  const tools = entryOf(protocol).tools({
    // The name that the certificate is for.
    host: protocol === 'mqtts' ? 'localhost' : '127.0.0.1',
    port: 1,
    web: 'http://127.0.0.1:1',
    paths: { mqtt: '/mqtt', json: '/waymeet', coap: '/.well-known/coap', stomp: '/stomp' },
    topic: topicOf(protocol, name),
    user: '',
    password: '',
    ...place,
  });
  return tools.find((t) => t.name === name)!;
}

function here(protocol: string): Partial<Place> {
  return { port: broker.port(PORTS[protocol] ?? 'tcp'), web: `http://127.0.0.1:${broker.port('ws')}` };
}

function topicOf(protocol: string, name: string): string {
  return `${TOPICS}/${protocol}/${name}`;
}

let listener: MqttClient;
const heard = new Inbox<string>('messages');

beforeAll(async () => {
  // Here are ca.pem and what npm installed.
  symlinkSync(path.join(ROOT, 'node_modules'), broker.file('node_modules'));
  process.chdir(broker.folder);
  for (const [name, command] of Object.entries(INSTALLED)) {
    broker.write(name, `#!/bin/sh\nexec ${command} "$@"\n`);
    chmodSync(broker.file(name), 0o755);
  }
  process.env.PATH = `${broker.folder}:${process.env.PATH}`;
  listener = await connectAsync(`mqtt://127.0.0.1:${broker.port('tcp')}`);
  await listener.subscribeAsync(`${TOPICS}/#`, { qos: 1 });
  listener.on('message', (topic, payload) => heard.push(`${topic} ${payload}`));
});
afterAll(async () => {
  process.chdir(ROOT);
  await listener.endAsync();
});

/** Those of Debian's Python modules that are not here; programs that are not. */
function missing(needs: string, name: string): string[] {
  const found =
    name === 'Python' && needs !== PYTHON
      ? spawnSync(PYTHON, ['-c', `import ${needs}`]).status === 0
      : isHere(needs);
  return found ? [] : [needs];
}

for (const [protocol, name, needs, command] of RUN) {
  const title = `${protocol} with ${name}`;
  const tests = () => {
    test('what is pasted arrives', async () => {
      const tool = new Tool(command(recipe(protocol, name).publish));
      const arrived = heard.find((message) => message.startsWith(`${topicOf(protocol, name)} `));
      const failed = tool.exit.then(({ code, errors }) => {
        if (code !== 0) throw new Error(errors);
        return arrived;
      });
      expect(await Promise.race([arrived, failed])).toMatch(/ .*hello/);
    });

    // Else it is in the lines above, or for a browser.
    if (recipe(protocol, name, {}).subscribe === '' || command === node) return;

    test('what is pasted subscribes', async () => {
      const tool = new Tool(command(recipe(protocol, name).subscribe));
      let seen = false;
      const line = tool.lines
        .find((one) => one.includes('can you hear me'))
        .then(() => {
          seen = true;
        });
      // Nobody says when it has subscribed.
      await expect
        .poll(async () => {
          await listener.publishAsync(topicOf(protocol, name), 'can you hear me\n', { qos: 1 });
          return seen;
        })
        .toBe(true);
      await line;
    });
  };
  judgedBy([needs], title, tests, missing(needs, name));
}

judgedBy(['openssl'], 'mqtts with openssl', () => {
  test('it says that the certificate is trusted', async () => {
    const { code, errors } = await run(shell(recipe('mqtts', 'openssl').publish));
    expect([code, errors]).toEqual([0, expect.stringContaining('Verification: OK')]);
  });
});

judgedBy(['g++'], 'Arduino', () => {
  describe.each(['mqtt', 'mqtts', 'mqttsn', 'coap', 'http'])('%s', (protocol) => {
    test.each(['', 'sensor'])(
      'the sketch compiles, against declarations of its libraries; user %j',
      async (user) => {
        const sketch = recipe(protocol, 'Arduino', { user, password: 'secret "quoted"' }) as
          | Recipe
          | undefined;
        if (sketch === undefined) {
          expect([protocol, user], 'its library has no queries').toEqual(['coap', 'sensor']);
          return;
        }
        const headers = path.join(import.meta.dirname, 'arduino');
        const compiler = ['g++', '-std=gnu++17', '-Wall', '-Wextra', '-Werror', '-fsyntax-only'];
        const { code, errors } = await run(
          [...compiler, '-I', headers, '-include', 'Arduino.h', '-x', 'c++', '-'],
          sketch.publish,
        );
        expect([code, errors]).toEqual([0, '']);
      },
    );
  });
});
