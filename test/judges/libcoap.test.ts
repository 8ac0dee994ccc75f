// libcoap's coap-client judges CoAP over UDP and TCP: methods, block sizes both ways, observations, and the crossing to MQTT.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { unique, useBroker } from './broker.ts';
import { Inbox } from './inbox.ts';
import { connect, endClients } from './mqttjs.ts';

const CLIENT = ['coap-client-notls', 'coap-client-openssl', 'coap-client'].find(
  (name) => spawnSync(name, ['-h'], { stdio: 'ignore' }).error === undefined,
);
const judged = describe.skipIf(CLIENT === undefined);
const local = { host: '127.0.0.1', port: 0 };

const broker = useBroker(() => ({
  listeners: [
    { name: 'udp', type: 'udp', ...local },
    { name: 'tcp', type: 'tcp', ...local },
  ],
  coap: { plugtest: true },
}));
endClients();

const started = new Set<ChildProcess>();
afterAll(() => {
  for (const child of started) child.kill();
});

interface Heard {
  readonly output: string;
  readonly errors: string;
}

/** `coap-client … url`; `path` starts with a slash. Gives up after 10 seconds, as the test would. */
function client(carrier: 'udp' | 'tcp', args: readonly string[], path: string): Promise<Heard> {
  return new Promise((resolve) => {
    const child = start(carrier, ['-B', '10', ...args], path);
    let output = '';
    let errors = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr!.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.on('close', () => resolve({ output, errors }));
  });
}

function start(carrier: 'udp' | 'tcp', args: readonly string[], path: string): ChildProcess {
  const scheme = carrier === 'udp' ? 'coap' : 'coap+tcp';
  const url = `${scheme}://127.0.0.1:${broker.port(carrier)}${path}`;
  const child = spawn(CLIENT!, [...args, url], { stdio: ['ignore', 'pipe', 'pipe'] });
  started.add(child);
  child.on('close', () => started.delete(child));
  return child;
}

judged.each(['udp', 'tcp'] as const)('coap-client over %s', (carrier) => {
  test('PUT, GET, POST, DELETE', async () => {
    const path = `/t/${unique('methods')}`;
    await client(carrier, ['-m', 'put', '-e', 'one'], `${path}?retain=1`);
    expect((await client(carrier, [], path)).output).toBe('one\n');
    await client(carrier, ['-m', 'post', '-e', 'two', '-t', '50'], `${path}?retain=1`);
    expect((await client(carrier, ['-A', '50'], path)).output).toBe('two\n');
    expect((await client(carrier, ['-A', '60'], path)).errors).toContain('4.06');
    await client(carrier, ['-m', 'delete'], path);
    expect((await client(carrier, [], path)).errors).toContain('4.04');
  });

  const SIZES = carrier === 'udp' ? [16, 32, 64, 128, 256, 512, 1_024] : [1_024];
  test.each(SIZES)('10 kB in blocks of %i octets, both ways', async (size) => {
    const topic = unique('blocks');
    const text = Array.from({ length: 1_000 }, (_, i) => `${i}`.padStart(9, '.')).join('\n');
    const file = broker.write('ten', text);
    await client(carrier, ['-m', 'put', '-b', String(size), '-f', file], `/t/${topic}?retain=1`);
    const copy = broker.file('copy');
    await client(carrier, ['-b', String(size), '-o', copy], `/t/${topic}`);
    expect(readFileSync(copy, 'utf8')).toBe(text);
  });

  test('iPATCH, PATCH and FETCH, in blocks where they are large', async () => {
    const topic = unique('state');
    const path = `/t/${topic}/lamp`;
    const patch = (method: string, format: string, text: string) =>
      client(carrier, ['-m', method, '-t', format, '-e', text], path);
    await patch('ipatch', '52', '{"heat":22,"on":true}');
    await patch('patch', '51', '[{"op":"remove","path":"/heat"}]');
    expect((await client(carrier, [], path)).output).toBe('{"on":true}\n');
    expect((await patch('patch', '51', '[{"op":"remove","path":"/heat"}]')).errors).toContain('4.09');
    await patch('ipatch', '52', JSON.stringify({ more: 'x'.repeat(2_500) }));
    const filters = JSON.stringify([`${topic}/#`]);
    const { output } = await client(carrier, ['-m', 'fetch', '-t', '50', '-e', filters], '/t');
    const [found] = JSON.parse(output) as { topic: string; payload: string }[];
    expect([found!.topic, JSON.parse(found!.payload)]).toEqual([
      `${topic}/lamp`,
      { on: true, more: 'x'.repeat(2_500) },
    ]);
  });

  test('discovery', async () => {
    expect((await client(carrier, [], '/.well-known/core?rt=core.ps')).output).toBe(
      '</ps>;rt="core.ps core.ps.coll";ct=40\n',
    );
  });

  test('an observer hears MQTT, whole blocks included', async () => {
    const topic = unique('observed');
    const mqtt = await connect(broker, { protocolVersion: 5 });
    const inbox = new Inbox<string>('notifications');
    await mqtt.publish(topic, 'first', { qos: 1, retain: true });
    const child = start(carrier, ['-s', '60', '-w'], `/t/${topic}`);
    child.stdout!.on('data', (chunk: Buffer) => {
      for (const line of chunk.toString().split('\n')) if (line !== '') inbox.push(line);
    });
    expect(await inbox.next()).toBe('first');
    await mqtt.publish(topic, 'second', { qos: 1 });
    expect(await inbox.next()).toBe('second');
    await mqtt.publish(topic, 'third', { qos: 0 });
    expect(await inbox.next()).toBe('third');
    await mqtt.publish(topic, 'x'.repeat(3_000), { qos: 1 });
    let large = '';
    while (large.length < 3_000) large += await inbox.next();
    expect(large).toBe('x'.repeat(3_000));
    child.kill();
  });

  test('what it publishes reaches MQTT', async () => {
    const topic = unique('published');
    const mqtt = await connect(broker, { protocolVersion: 5 });
    await mqtt.subscribe(topic, { qos: 2 });
    await client(carrier, ['-m', 'put', '-e', '{}', '-t', '50'], `/t/${topic}?qos=2`);
    const { packet, text } = await mqtt.next();
    expect([text, packet.qos, packet.properties?.contentType]).toEqual(['{}', 2, 'application/json']);
  });

  test('a call is answered over MQTT, or with 5.04', async () => {
    const topic = unique('calls');
    expect((await client(carrier, ['-m', 'post', '-e', '2'], `/rpc/${topic}`)).errors).toContain('5.04');
    const mqtt = await connect(broker, { protocolVersion: 5 });
    await mqtt.subscribe(topic, { qos: 1 });
    const asked = client(carrier, ['-m', 'post', '-e', '2'], `/rpc/${topic}`);
    const { packet, text } = await mqtt.next();
    await mqtt.publish(packet.properties!.responseTopic!, `${text} and 2 is 4`, { qos: 1 });
    expect((await asked).output).toBe('2 and 2 is 4\n');
  });

  test('plugtest: separate, query, large', async () => {
    expect((await client(carrier, [], '/separate')).output).toBe('later\n');
    expect((await client(carrier, [], '/query?first=1&second=2')).output).toBe('first=1&second=2\n');
    expect((await client(carrier, [], '/large')).output).toHaveLength(1_701);
    expect((await client(carrier, ['-m', 'post', '-e', 'x'], '/large-post')).output).toHaveLength(1_701);
  });
});

judged('coap-client over udp, non-confirmable', () => {
  test('PUT and GET', async () => {
    const path = `/t/${unique('non')}`;
    await client('udp', ['-N', '-m', 'put', '-e', 'one'], `${path}?retain=1`);
    expect((await client('udp', ['-N'], path)).output).toBe('one\n');
  });

  test('its first datagram is lost: it arrives all the same', async () => {
    const path = `/t/${unique('lossy')}`;
    await client('udp', ['-l', '1', '-m', 'put', '-e', 'late'], `${path}?retain=1`);
    expect((await client('udp', [], path)).output).toBe('late\n');
  });
});
