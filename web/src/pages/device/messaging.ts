// Recipes for the protocols of back ends: STOMP, AMQP 0-9-1, AMQP 1.0, XMPP.

import { quoted as q, sh, urlHost } from './quote.ts';
import type { Place, ProtocolEntry } from './recipe.ts';

/** `room/1` is `room.1` there; a dot within a level is `%2E`. */
function routingKey(topic: string): string {
  return topic.replaceAll('%', '%25').replaceAll('.', '%2E').replaceAll('/', '.');
}

function account(p: Place, otherwise: string): string {
  return p.user === '' ? otherwise : `${encodeURIComponent(p.user)}:${encodeURIComponent(p.password)}@`;
}

export const STOMP: ProtocolEntry = {
  id: 'stomp',
  title: 'STOMP',
  about: 'Versions 1.0, 1.1 and 1.2; frames of text.',
  protocols: ['stomp'],
  carrier: 'tcp',
  enable: 'ports: { stomp: 61613 }',
  tools: (p) => {
    const destination = `/topic/${p.topic}`;
    const login = p.user === '' ? '' : `\\nlogin:${p.user}\\npasscode:${p.password}`;
    const hello = `CONNECT\\naccept-version:1.2\\nhost:${p.host}${login}\\n\\n\\0`;
    return [
      {
        name: 'nc',
        install: 'is there already',
        publish: `printf %b ${sh(`${hello}SEND\\ndestination:${destination}\\n\\nhello\\0DISCONNECT\\n\\n\\0`)} | nc ${p.host} ${p.port}`,
        subscribe: `{ printf %b ${sh(`${hello}SUBSCRIBE\\nid:0\\ndestination:${destination}\\n\\n\\0`)}; sleep 60; } | nc ${p.host} ${p.port}`,
      },
      {
        name: 'JavaScript',
        install: 'npm install @stomp/stompjs, in a browser or Node.js 22',
        publish: `import { Client } from '@stomp/stompjs';

const client = new Client({
  brokerURL: ${q(`${p.web.replace(/^http/, 'ws')}${p.paths.stomp}`)},${p.user === '' ? '' : `\n  connectHeaders: { login: ${q(p.user)}, passcode: ${q(p.password)} },`}
  onConnect() {
    client.subscribe(${q(destination)}, (m) => console.log(m.body));
    client.publish({ destination: ${q(destination)}, body: 'hello' });
  },
});
client.activate();`,
        subscribe: '',
      },
      {
        name: 'Python',
        install: 'pip install stomp.py, or apt install python3-stomp',
        publish: `import stomp

c = stomp.Connection12([(${q(p.host)}, ${p.port})])
c.connect(${p.user === '' ? '' : `${q(p.user)}, ${q(p.password)}, `}wait=True)
c.send(${q(destination)}, "hello")
c.disconnect()`,
        subscribe: '',
      },
    ];
  },
};

export const AMQP091: ProtocolEntry = {
  id: 'amqp091',
  title: 'AMQP 0-9-1',
  about: 'Programs written for RabbitMQ, as they are. Topics are routing keys of amq.topic.',
  protocols: ['amqp091'],
  carrier: 'tcp',
  enable: 'ports: { amqp: 5672 }',
  tools: (p) => {
    const key = routingKey(p.topic);
    const url = `amqp://${account(p, 'guest:guest@')}${urlHost(p.host)}:${p.port}`;
    return [
      {
        name: 'amqp-tools',
        install: 'apt install amqp-tools',
        publish: `amqp-publish -u ${sh(url)} -e amq.topic -r ${sh(key)} -b hello`,
        subscribe: `amqp-consume -u ${sh(url)} -q '' -e amq.topic -r ${sh(key)} cat`,
      },
      {
        name: 'JavaScript',
        install: 'npm install amqplib',
        publish: `import amqp from 'amqplib';

const channel = await (await amqp.connect(${q(url)})).createConfirmChannel();
const { queue } = await channel.assertQueue('', { exclusive: true });
await channel.bindQueue(queue, 'amq.topic', ${q(key)});
await channel.consume(queue, (m) => console.log(m.fields.routingKey, String(m.content)), { noAck: true });
channel.publish('amq.topic', ${q(key)}, Buffer.from('hello'));
await channel.waitForConfirms();`,
        subscribe: '',
      },
      {
        name: 'Python',
        install: 'pip install pika, or apt install python3-pika',
        publish: `import pika

connection = pika.BlockingConnection(pika.URLParameters(${q(`${url}/%2F`)}))
connection.channel().basic_publish("amq.topic", ${q(key)}, b"hello")
connection.close()`,
        subscribe: '',
      },
    ];
  },
};

export const AMQP1: ProtocolEntry = {
  id: 'amqp1',
  title: 'AMQP 1.0',
  about: 'The address of a link is the topic.',
  protocols: ['amqp1', 'amqp'],
  carrier: 'tcp',
  enable: 'ports: { amqp: 5672 }',
  tools: (p) => [
    {
      name: 'JavaScript',
      install: 'npm install rhea',
      publish: `import rhea from 'rhea';

const options = { host: ${q(p.host)}, port: ${p.port}${p.user === '' ? '' : `, username: ${q(p.user)}, password: ${q(p.password)}`} };
rhea.on('message', ({ message }) => console.log(String(message.body)));
rhea.once('receiver_open', ({ connection }) => connection.open_sender(${q(p.topic)}));
rhea.once('sendable', ({ sender }) => sender.send({ body: 'hello' }));
rhea.connect(options).open_receiver(${q(p.topic)});`,
      subscribe: '',
    },
    {
      name: 'Python',
      install: 'pip install python-qpid-proton, or apt install python3-qpid-proton',
      publish: `from proton import Message
from proton.utils import BlockingConnection

c = BlockingConnection(${q(`amqp://${account(p, '')}${urlHost(p.host)}:${p.port}`)})
c.create_sender(${q(p.topic)}).send(Message(body="hello"))
c.close()`,
      subscribe: '',
    },
  ],
};

export const XMPP: ProtocolEntry = {
  id: 'xmpp',
  title: 'XMPP',
  about: 'Publish-subscribe (XEP-0060): a node is a topic.',
  protocols: ['xmpp'],
  carrier: 'tcp',
  enable: 'ports: { xmpp: 5222 }',
  tools: (p) => {
    const user = p.user === '' ? 'device' : p.user;
    return [
      {
        name: 'Python',
        install: 'pip install slixmpp, or apt install python3-slixmpp',
        publish: `import slixmpp
from slixmpp.xmlstream import ET

class Device(slixmpp.ClientXMPP):
    async def started(self, event):
        item = ET.fromstring('<payload xmlns="urn:waymeet:0">hello</payload>')
        await self["xep_0060"].publish(${q(`pubsub.${p.host}`)}, ${q(p.topic)}, payload=item)
        self.disconnect()

device = Device(${q(`${user}@${p.host}`)}, ${q(p.password)})
device.register_plugin("xep_0060")
device.add_event_handler("session_start", device.started)
device.connect((${q(p.host)}, ${p.port}))
device.process(forever=False)`,
        subscribe: '',
      },
    ];
  },
};
