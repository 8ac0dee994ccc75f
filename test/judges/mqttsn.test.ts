// MQTT-SN judged from outside: a device in Python written from the specification, and OpenSSL's DTLS around octets.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { unique, useBroker } from './broker.ts';
import { within } from './inbox.ts';
import { connect, endClients } from './mqttjs.ts';
import { endTools, judgedBy, OPEN, Tool } from './tool.ts';

const local = { host: '127.0.0.1', port: 0 };
const KEY = '000102030405060708090a0b0c0d0e0f';
const DEVICE = new URL('mqttsn-device.py', import.meta.url).pathname;

const broker = useBroker((b) => ({
  listeners: [
    { name: 'tcp', type: 'tcp', ...local },
    { name: 'udp', type: 'udp', protocols: ['mqttsn'], ...local },
    {
      name: 'dtls',
      type: 'dtls',
      protocols: ['mqttsn'],
      tls: { psk: b.write('keys', `sensor:${KEY}\n`) },
      auth: { rules: [{ user: 'sensor', allow: 'publish', filter: 'zq' }], engine: 'file' },
      ...local,
    },
  ],
}));
endClients();
endTools();

judgedBy(['python3'], 'a device over UDP', () => {
  test('discovery, topics, every QoS both ways, and waking up behind another port', async () => {
    const name = unique('sn');
    const client = await connect(broker);
    await client.subscribe(`${name}/up`, { qos: 2 });
    const device = new Tool(['python3', DEVICE, '127.0.0.1', String(broker.port('udp')), name], OPEN);
    expect(await device.lines.next()).toBe('ready');
    const heard = await client.inbox.take(2);
    expect(heard.map((m) => [m.text.length, m.packet.qos])).toEqual([
      [3, 1],
      [1000, 2],
    ]);
    await client.publish(`${name}/down/1`, 'two', { qos: 1 });
    expect(await device.lines.next()).toBe('asleep');
    await client.publish(`${name}/down/1`, 'three', { qos: 1 });
    device.write('wake up');
    expect(await device.lines.next()).toBe('done');
  });
});

const started = new Set<ChildProcess>();
afterEach(() => {
  for (const child of started) child.kill();
  started.clear();
});

judgedBy(['openssl'], 'OpenSSL over DTLS', () => {
  test('a pre-shared key is who the device is', async () => {
    const client = await connect(broker);
    await client.subscribe('#');
    const where = ['s_client', '-dtls1_2', '-connect', `127.0.0.1:${broker.port('dtls')}`, '-quiet'];
    const who = ['-psk', KEY, '-psk_identity', 'sensor', '-cipher', 'PSK-AES128-CCM8'];
    const child = spawn('openssl', [...where, ...who], { stdio: ['pipe', 'pipe', 'ignore'] });
    started.add(child);
    const ask = async (octets: number[], text: string): Promise<string> => {
      child.stdin.write(Buffer.concat([Buffer.from(octets), Buffer.from(text)]));
      const [answer] = await within(10_000, 'an answer', () => once(child.stdout, 'data'));
      return (answer as Buffer).toString('hex');
    };
    expect(await ask([0x0c, 0x04, 0x04, 1, 0, 60], 'device')).toBe('030500'); // CONNECT, CONNACK
    expect(await ask([0x09, 0x0c, 0x22, 0x7a, 0x71, 0, 1], 'hi')).toBe('070d7a71000100'); // PUBLISH to zq, PUBACK
    expect(await ask([0x09, 0x0c, 0x22, 0x7a, 0x7a, 0, 2], 'no')).toBe('070d7a7a000203'); // to zz: not supported
    expect((await client.inbox.take(1)).map((m) => `${m.topic} ${m.text}`)).toEqual(['zq hi']);
  });
});
