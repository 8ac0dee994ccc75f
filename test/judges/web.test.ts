// curl on the web port: health, metrics, the page.

import { expect, test } from 'vitest';
import { unique, useBroker } from './broker.ts';
import { connect, endClients } from './mqttjs.ts';
import { judgedBy, run } from './tool.ts';

const broker = useBroker();
endClients();

judgedBy(['curl', 'stdbuf'], 'curl', () => {
  const curl = async (path: string, ...more: string[]) => {
    const url = `http://127.0.0.1:${broker.port('ws')}${path}`;
    const { out, code } = await run(['curl', '-s', '-w', '\n%{http_code} %{content_type}', ...more, url]);
    expect(code).toBe(0);
    const lines = out.trimEnd().split('\n');
    const [status, ...type] = lines.pop()!.split(' ');
    return { status: Number(status), type: type.join(' '), body: lines.join('\n') };
  };

  test.each(['/health', '/health/live', '/health/ready'])('%s', async (path) => {
    const { status, type, body } = await curl(path);
    expect(status).toBe(200);
    if (type.startsWith('application/json')) expect(() => JSON.parse(body)).not.toThrow();
  });

  test('/metrics counts what clients do', async () => {
    const client = await connect(broker, { protocolVersion: 5 });
    const topic = unique('metrics');
    await client.subscribe(topic, { qos: 1 });
    for (let i = 0; i < 5; i++) await client.publish(topic, 'x', { qos: 1 });
    await client.take(5);
    const { status, type, body } = await curl('/metrics');
    expect(status).toBe(200);
    expect(type).toMatch(/^text\/plain; version=0\.0\.4/);
    for (const line of body.split('\n'))
      expect(line).toMatch(/^(?:$|# (?:HELP|TYPE|UNIT|EOF)|[a-z_:][a-z0-9_:]*(?:\{.*\})? -?[\d.eE+-]+$)/);
    const count = (pattern: RegExp) => Number(pattern.exec(body)?.[1]);
    expect(count(/^waymeet_messages_received_total\{.*protocol="mqtt".*qos="1".*\} (\d+)$/m)).toBe(5);
    expect(count(/^waymeet_messages_delivered_total\{.*protocol="mqtt".*qos="1".*\} (\d+)$/m)).toBe(5);
    expect(count(/^waymeet_clients\{.*protocol="mqtt".*\} (\d+)$/m)).toBe(1);
  });

  test('the page, and what is not there', async () => {
    expect(await curl('/')).toMatchObject({ status: 200, type: expect.stringMatching(/^text\/html/) });
    expect((await curl('/nothing')).status).toBe(404);
    expect((await curl('/metrics', '-X', 'POST')).status).toBe(405);
  });
});
