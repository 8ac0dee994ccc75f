// The lines that the dashboard offers to paste, run as a person would run them: each message arrives.

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ENTRIES } from '../../web/src/pages/device/entries.ts';
import { useBroker } from './broker.ts';
import { Inbox } from './inbox.ts';
import { endTools, isHere, judgedBy, Tool } from './tool.ts';

const broker = useBroker(() => ({
  listeners: [
    {
      name: 'tcp',
      type: 'tcp',
      host: '127.0.0.1',
      port: 0,
      protocols: ['mqtt', 'stomp', 'amqp091', 'amqp1', 'xmpp'],
    },
    { name: 'ws', type: 'ws', host: '127.0.0.1', port: 0 },
    { name: 'udp', type: 'udp', host: '127.0.0.1', port: 0, protocols: ['coap'] },
    { name: 'sn', type: 'udp', host: '127.0.0.1', port: 0, protocols: ['mqttsn'] },
  ],
}));
endTools();

const PYTHON = '/usr/bin/python3';
const COAP_CLIENT = 'coap-client-notls';
const PORTS: Readonly<Record<string, string>> = {
  mqttsn: 'sn',
  coap: 'udp',
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
    ['mqtt-ws', 'JavaScript', 'node', node],
    ['mqtt-ws', 'Python', 'paho.mqtt', python],
    ['coap', 'libcoap', COAP_CLIENT, (lines) => shell(lines.replace('coap-client', COAP_CLIENT))],
    ['coap', 'JavaScript', 'node', node],
    ['mqttsn', 'Python', PYTHON, python],
    ['http', 'curl', 'curl', shell],
    ['http', 'JavaScript', 'node', node],
    ['stomp', 'nc', 'nc', shell],
    ['stomp', 'Python', 'stomp', python],
    ['amqp091', 'amqp-tools', 'amqp-publish', shell],
    ['amqp091', 'JavaScript', 'node', node],
    ['amqp091', 'Python', 'pika', python],
    ['amqp1', 'JavaScript', 'node', node],
    ['amqp1', 'Python', 'proton', python],
    ['xmpp', 'Python', 'slixmpp', python],
  ];

function shell(lines: string): string[] {
  return ['bash', '-c', lines];
}

function node(lines: string): string[] {
  return ['node', '--input-type=module', '-e', lines];
}

function python(lines: string): string[] {
  return [PYTHON, '-c', lines];
}

let listener: MqttClient;
const heard = new Inbox<string>('messages');

beforeAll(async () => {
  process.chdir(path.join(import.meta.dirname, '../..')); // where the npm packages are found
  listener = await connectAsync(`mqtt://127.0.0.1:${broker.port('tcp')}`);
  await listener.subscribeAsync(`${TOPICS}/#`, { qos: 1 });
  listener.on('message', (topic, payload) => heard.push(`${topic} ${payload}`));
});
afterAll(() => listener.endAsync());

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
      const topic = `${TOPICS}/${protocol}/${name}`;
      const entry = ENTRIES.find((e) => e.id === protocol)!;
      const port = broker.port(PORTS[protocol] ?? 'tcp');
      const tools = entry.tools({
        host: '127.0.0.1',
        port,
        web: `http://127.0.0.1:${broker.port('ws')}`,
        paths: { mqtt: '/mqtt', json: '/waymeet', coap: '/.well-known/coap', stomp: '/stomp' },
        topic,
        user: '',
        password: '',
      });
      const tool = new Tool(command(tools.find((t) => t.name === name)!.publish));
      const arrived = heard.find((message) => message.startsWith(`${topic} `));
      const failed = tool.exit.then(({ code, errors }) => {
        if (code !== 0) throw new Error(errors);
        return arrived;
      });
      expect(await Promise.race([arrived, failed])).toMatch(/ .*hello/);
    });
  };
  judgedBy([needs], title, tests, missing(needs, name));
}
