// The client library beside npm `mqtt`: messages per CPU second of the publishing process, at QoS 0 and 1, by turns, in one run.
//
//     npm run --silent build && node bench/client/publish.mjs [--messages 200000] [--rounds 3]

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '3' },
    // One measurement, in a process of its own.
    one: { type: 'string' },
    qos: { type: 'string' },
    url: { type: 'string' },
  },
});
const messages = Number(values.messages);
/** Publishes at a time: neither client is made to wait for each. */
const BURST = 512;
const payload = Buffer.alloc(64, 'x');

const CLIENTS = {
  async waymeet(url, qos) {
    const { connect } = await import('../../dist/client/index.js');
    const client = await connect(url);
    return {
      publish: () => client.publish('bench/client', payload, { qos }),
      settled: () => client.flushed(),
      close: () => client.close(),
    };
  },
  async mqtt(url, qos) {
    const { default: mqtt } = await import('mqtt');
    const client = await mqtt.connectAsync(url, { protocolVersion: 5 });
    return {
      publish: () => client.publishAsync('bench/client', payload, { qos }),
      settled: async () => {},
      close: () => client.endAsync(),
    };
  },
};

/** Prints messages per CPU second and per second. */
async function measure(name, url, qos) {
  const client = await CLIENTS[name](url, qos);
  const run = async (count) => {
    for (let sent = 0; sent < count; sent += BURST) {
      const burst = [];
      for (let i = 0; i < BURST; i++) burst.push(client.publish());
      await Promise.all(burst);
    }
    await client.settled();
  };
  await run(20_480);
  const cpu = process.cpuUsage();
  const began = performance.now();
  await run(messages);
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - began) / 1_000;
  await client.close();
  console.log(JSON.stringify({ perCpu: messages / ((user + system) / 1e6), perSecond: messages / seconds }));
}

function apart(name, url, qos) {
  const words = [new URL(import.meta.url).pathname, '--one', name, '--qos', String(qos), '--url', url];
  const child = spawn(process.execPath, [...words, '--messages', String(messages)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    createInterface(child.stdout).once('line', (line) => resolve(JSON.parse(line)));
    child.once('close', (code) => code !== 0 && reject(new Error(`${name} ended with ${code}`)));
  });
}

/** A hub in memory, as a process of its own. */
async function startHub(folder) {
  const port = await new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const free = probe.address().port;
      probe.close(() => resolve(free));
    });
  });
  const command = path.resolve(import.meta.dirname, '../../dist/cli/main.js');
  const off = ['web', 'coap', 'coap-tcp', 'mqttsn', 'stomp', 'amqp', 'xmpp'].flatMap((p) => [
    `--ports-${p}`,
    'off',
  ]);
  const settings = ['--host', '127.0.0.1', '--ports-mqtt', String(port), '--store-durability', 'memory'];
  const words = [command, 'serve', ...settings, ...off, '--log-format', 'json'];
  const hub = spawn(process.execPath, words, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  await new Promise((resolve, reject) => {
    createInterface(hub.stderr).on('line', (line) => line.includes('ready') && resolve());
    hub.once('close', () => reject(new Error('the hub did not start')));
  });
  return { url: `mqtt://127.0.0.1:${port}`, stop: () => hub.kill() };
}

const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

async function compare() {
  const folder = mkdtempSync(path.join(tmpdir(), 'waymeet-bench-'));
  const hub = await startHub(folder);
  try {
    for (const qos of [0, 1]) {
      const found = { waymeet: [], mqtt: [] };
      for (let round = 0; round < Number(values.rounds); round++)
        for (const name of Object.keys(found)) found[name].push((await apart(name, hub.url, qos)).perCpu);
      const [ours, theirs] = [median(found.waymeet), median(found.mqtt)];
      const ratio = (ours / theirs).toFixed(2);
      console.log(
        `QoS ${qos}: waymeet/client ${Math.round(ours)}, npm mqtt ${Math.round(theirs)} messages per CPU second: ${ratio} x`,
      );
    }
  } finally {
    hub.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

if (values.one === undefined) await compare();
else await measure(values.one, values.url, Number(values.qos));
