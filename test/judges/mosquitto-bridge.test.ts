// mosquitto as a gateway's broker, bridged to us in both directions, as bridges in the field are configured.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import { unique, useBroker } from './broker.ts';
import { CLIENTS, pub, sub } from './mosquitto.ts';
import { endTools, judgedBy, Tool } from './tool.ts';

const broker = useBroker();
endTools();

/** A port that was free a moment ago: mosquitto cannot say which one it got. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

/** mosquitto, bridged: `site/out/#` comes to us as `hub/from/#`, our `hub/to/#` goes there as `site/in/#`, `both/#` either way. */
async function gateway(version: string, more: readonly string[] = []): Promise<Gateway> {
  const port = await freePort();
  const name = unique('bridge');
  const file = broker.write(
    `${name}.conf`,
    [
      `listener ${port} 127.0.0.1`,
      'allow_anonymous true',
      'user root',
      'log_type all',
      `connection ${name}`,
      `address 127.0.0.1:${broker.port()}`,
      `bridge_protocol_version ${version}`,
      'restart_timeout 1',
      'topic out/# out 2 site/ hub/from/',
      'topic in/# in 2 site/ hub/to/',
      'topic both/# both 1',
      ...more,
      '',
    ].join('\n'),
  );
  const tool = new Tool(['mosquitto', '-c', file]);
  const found = new Gateway(tool, port, name);
  await found.bridged();
  return found;
}

class Gateway {
  readonly at: readonly string[];
  readonly name: string;
  readonly tool: Tool;

  constructor(tool: Tool, port: number, name: string) {
    this.tool = tool;
    this.at = ['-h', '127.0.0.1', '-p', `${port}`];
    this.name = name;
  }

  /** The bridge has its subscriptions. */
  async bridged(): Promise<void> {
    let answers = 0;
    while (answers < 2) {
      const line = await this.tool.lines.find((l) => /Received SUBACK|refused|rror/.test(l));
      if (!line.includes('SUBACK')) throw new Error(line);
      answers++;
    }
  }
}

judgedBy(['mosquitto', 'stdbuf', ...CLIENTS], 'mosquitto as a bridge', () => {
  let here: string[];
  beforeAll(() => {
    here = ['-h', '127.0.0.1', '-p', `${broker.port()}`];
  });

  describe.each(['mqttv31', 'mqttv311', 'mqttv50'])('bridge_protocol_version %s', (version) => {
    const private_ = version === 'mqttv50' ? [] : ['try_private true'];

    test('both directions, retained as it was, and no loop', async () => {
      const there = await gateway(version, private_);
      const us = await sub([...here, '-q', '2', '-t', 'hub/from/#', '-t', 'both/#'], '%t %q %r %p');
      const them = await sub([...there.at, '-q', '2', '-t', 'site/#', '-t', 'both/#'], '%t %q %r %p');
      await pub([...there.at, '-q', '2', '-t', 'site/out/a', '-m', 'to the hub']);
      expect(await us.next()).toBe('hub/from/out/a 2 0 to the hub');
      expect(await them.next()).toBe('site/out/a 2 0 to the hub');
      await pub([...here, '-q', '2', '-t', 'hub/to/in/b', '-m', 'to the site']);
      expect(await them.next()).toBe('site/in/b 2 0 to the site');
      const topic = `both/${unique('x')}`;
      await pub([...here, '-q', '1', '-t', topic, '-m', 'ours']);
      expect([await us.next(), await them.next()]).toEqual([`${topic} 1 0 ours`, `${topic} 1 0 ours`]);
      await pub([...there.at, '-q', '1', '-t', topic, '-m', 'theirs']);
      expect([await us.next(), await them.next()]).toEqual([`${topic} 1 0 theirs`, `${topic} 1 0 theirs`]);
      // Had one of them come back, it would be before these.
      await pub([...here, '-q', '1', '-t', topic, '-m', 'end']);
      expect([await us.next(), await them.next()]).toEqual([`${topic} 1 0 end`, `${topic} 1 0 end`]);
    });

    test('a retained message of ours is retained there', async () => {
      const topic = `both/${unique('retained')}`;
      const there = await gateway(version, private_);
      const live = await sub([...there.at, '-t', topic]);
      await pub([...here, '-q', '1', '-r', '-t', topic, '-m', 'kept']);
      expect(await live.next()).toBe(`${topic} kept`);
      const late = await sub([...there.at, '-t', topic], '%r %p');
      if (version !== 'mqttv50') expect(await late.next()).toBe('1 kept');
      else {
        await pub([...there.at, '-q', '1', '-t', topic, '-m', 'live']);
        expect(await late.next()).toMatch(/^(?:1 kept|0 live)$/);
      }
      await pub([...here, '-r', '-n', '-t', topic]);
    });

    test('many messages, in order, both ways', async () => {
      const there = await gateway(version, ['cleansession false', ...private_]);
      const us = await sub([...here, '-q', '1', '-t', 'both/#']);
      const them = await sub([...there.at, '-q', '1', '-t', 'both/#']);
      const topic = `both/${unique('many')}`;
      const lines = Array.from({ length: 500 }, (_, i) => `${i}`);
      const said = lines.map((line) => `${topic} ${line}`);
      await pub([...there.at, '-q', '1', '-t', topic, '-l'], lines.join('\n'));
      expect(await us.take(500)).toEqual(said);
      expect(await them.take(500)).toEqual(said);
      await pub([...here, '-q', '1', '-t', topic, '-l'], lines.join('\n'));
      expect(await them.take(500)).toEqual(said);
    });
  });
});
