// Connect a device: commands to paste for each protocol, with this hub's host and ports, and a live check that a message came.

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { hub } from '../api.ts';
import { instant } from '../numbers.ts';
import { textOf } from '../payload/view.ts';
import { root, type TopicNode, version, watchTopics } from '../tree.ts';

interface Recipe {
  readonly title: string;
  readonly publish: string;
  readonly subscribe: string;
}

export function DevicePage() {
  const topic = useSignal('demo/device');
  const copied = useSignal('');
  const since = useSignal(Date.now());
  useEffect(watchTopics, []);
  version.value; // drawn anew when a message came
  const node = find(topic.value);
  const seen = node !== undefined && node.lastAt >= since.value ? node : undefined;
  const copy = async (text: string) => {
    await navigator.clipboard.writeText(text);
    copied.value = text;
  };
  return (
    <div class="page">
      <h1>Connect a device</h1>
      <label>
        Topic
        <input
          value={topic.value}
          onInput={(e) => {
            topic.value = e.currentTarget.value;
            since.value = Date.now();
          }}
        />
      </label>
      <p class={seen === undefined ? 'card check' : 'card check yes'} role="status">
        {seen?.last === undefined
          ? `Waiting for a message on ${topic.value} …`
          : `✓ ${instant(seen.lastAt)}: ${textOf(seen.last.payload)?.slice(0, 200) ?? `${seen.last.payload.length} octets`}`}
      </p>
      {recipes(topic.value).map((r) => (
        <section key={r.title} class="card">
          <h2>{r.title}</h2>
          {[r.publish, r.subscribe]
            .filter((text) => text !== '')
            .map((text) => (
              <div key={text} class="paste">
                <pre>{text}</pre>
                <button type="button" class="plain" onClick={() => copy(text)}>
                  {copied.value === text ? 'Copied' : 'Copy'}
                </button>
              </div>
            ))}
        </section>
      ))}
    </div>
  );
}

function find(topic: string): TopicNode | undefined {
  let node: TopicNode | undefined = root;
  for (const level of topic.split('/')) node = node?.children.get(level);
  return node;
}

/** Commands with the hosts and ports that the hub says; what it does not listen on is left out. */
function recipes(topic: string): Recipe[] {
  const host = location.hostname;
  const portOf = (scheme: string) => {
    const found = hub.value?.listeners.find((l) => l.address.startsWith(`${scheme}://`));
    return found === undefined
      ? undefined
      : found.address.slice(found.address.lastIndexOf(':') + 1).replace(/\/.*/, '');
  };
  const mqtt = portOf('mqtt');
  const coap = portOf('coap');
  const web = location.origin;
  const path = topic.split('/').map(encodeURIComponent).join('/');
  const found: Recipe[] = [];
  if (mqtt !== undefined) {
    found.push({
      title: 'MQTT with mosquitto',
      publish: `mosquitto_pub -h ${host} -p ${mqtt} -t '${topic}' -q 1 -m 'hello'`,
      subscribe: `mosquitto_sub -h ${host} -p ${mqtt} -t '${topic}' -q 1 -v`,
    });
    found.push({
      title: 'Python (pip install paho-mqtt)',
      publish: `import paho.mqtt.publish as publish\npublish.single('${topic}', 'hello', qos=1, hostname='${host}', port=${mqtt})`,
      subscribe: `import paho.mqtt.subscribe as subscribe\nsubscribe.callback(lambda c, u, m: print(m.topic, m.payload), '${topic}', hostname='${host}', port=${mqtt})`,
    });
    found.push({
      title: 'JavaScript (npm install mqtt)',
      publish: `import mqtt from 'mqtt';\nconst client = await mqtt.connectAsync('mqtt://${host}:${mqtt}');\nawait client.publishAsync('${topic}', 'hello', { qos: 1 });\nawait client.endAsync();`,
      subscribe: '',
    });
    found.push({
      title: 'Arduino (library PubSubClient)',
      publish: `PubSubClient client(wifi);\nclient.setServer("${host}", ${mqtt});\nclient.connect("arduino-1");\nclient.publish("${topic}", "hello");`,
      subscribe: '',
    });
  }
  if (coap !== undefined)
    found.push({
      title: 'CoAP with libcoap',
      publish: `coap-client -m put -e 'hello' 'coap://${host}:${coap}/t/${path}'`,
      subscribe: `coap-client -s 60 'coap://${host}:${coap}/t/${path}'`,
    });
  found.push({
    title: 'HTTP with curl',
    publish: `curl -d 'hello' '${web}/topics/${path}?qos=1&retain=true'`,
    subscribe: `curl -N '${web}/subscribe?filter=${encodeURIComponent(topic)}'`,
  });
  const socket = `${web.replace(/^http/, 'ws')}${hub.value?.paths.json ?? '/waymeet'}`;
  found.push({
    title: 'WebSocket by hand (JSON), in any browser console or Node 22',
    publish: `const s = new WebSocket('${socket}', 'waymeet.v1');\ns.onmessage = (e) => console.log(e.data);\ns.onopen = () => {\n  s.send('{"type":"connect"}');\n  s.send('{"type":"subscribe","filter":"${topic}","id":1}');\n  s.send('{"type":"publish","topic":"${topic}","payload":"hello","id":2}');\n};`,
    subscribe: '',
  });
  return found;
}
