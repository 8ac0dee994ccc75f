// mosquitto_pub and mosquitto_sub: every version, QoS and property that they know, over TCP and a unix socket.

import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { addUser } from '../../src/auth/users.ts';
import { unique, useBroker } from './broker.ts';
import { CLIENTS, MOSQUITTO_VERSIONS, pub, sub, tryPub } from './mosquitto.ts';
import { endTools, judgedBy, run, Tool } from './tool.ts';

const ACL = `
all
allow both open/#
user berta
allow publish berta/#
allow subscribe berta/+/here
`;

const broker = useBroker(async (b) => {
  await addUser(b.file('users'), 'berta', 'p\u00e4ssword');
  b.write('acl', ACL);
  const tcp = (name: string, rest: object) => ({ name, type: 'tcp', host: '127.0.0.1', port: 0, ...rest });
  return {
    listeners: [
      tcp('tcp', {}),
      { name: 'unix', type: 'unix', path: './mqtt.sock' },
      tcp('users', { auth: { users: './users', acl: './acl' }, anonymous: true }),
    ],
  };
});
endTools();

judgedBy([...CLIENTS, 'stdbuf'], 'mosquitto_pub and mosquitto_sub', () => {
  let at: string[];
  let members: string[];
  beforeAll(() => {
    at = ['-h', '127.0.0.1', '-p', `${broker.port()}`];
    members = ['-h', '127.0.0.1', '-p', `${broker.port('users')}`];
  });

  describe.each(MOSQUITTO_VERSIONS)('-V %s', (version) => {
    const V = ['-V', version];

    test.each(['0', '1', '2'])('-q %s, many lines in order', async (qos) => {
      const topic = unique('lines');
      const subscriber = await sub([...at, ...V, '-q', qos, '-t', topic], '%q %p');
      const lines = Array.from({ length: 500 }, (_, i) => `${i}`);
      await pub([...at, ...V, '-q', qos, '-t', topic, '-l'], lines.join('\n'));
      expect(await subscriber.take(500)).toEqual(lines.map((line) => `${qos} ${line}`));
    });

    test('-r, and -n to clear', async () => {
      const topic = unique('retained');
      await pub([...at, ...V, '-r', '-q', '1', '-t', topic, '-m', 'kept']);
      expect(await (await sub([...at, ...V, '-t', topic], '%r %p')).next()).toBe('1 kept');
      await pub([...at, ...V, '-r', '-n', '-t', topic]);
      const after = await sub([...at, ...V, '-t', topic], '%r %p');
      await pub([...at, ...V, '-q', '1', '-t', topic, '-m', 'live']);
      expect(await after.next()).toBe('0 live');
    });

    test('--will: when it is killed, not when it says goodbye', async () => {
      const topic = unique('will');
      const watcher = await sub([...at, ...V, '-q', '2', '-t', topic], '%q %p');
      const will = (text: string) => ['--will-topic', topic, '--will-payload', text, '--will-qos', '2'];
      const polite = await sub([...at, ...V, '-t', 'x', ...will('polite')]);
      await polite.tool.stop('SIGINT');
      const killed = await sub([...at, ...V, '-t', 'x', ...will('killed'), '--will-retain']);
      await killed.tool.kill();
      // At version 5 mosquitto_sub asks for its will when it leaves (DISCONNECT 0x04).
      if (version === 'mqttv5') expect(await watcher.next()).toBe('2 polite');
      expect(await watcher.next()).toBe('2 killed');
      expect(await (await sub([...at, ...V, '-t', topic], '%r %p')).next()).toBe('1 killed');
    });

    test('-c: what came meanwhile waits', async () => {
      const topic = unique('queue');
      const session = [...at, ...V, '-c', '-i', unique('sleeper'), '-q', '2', '-t', topic];
      await (await sub(session)).tool.kill();
      const lines = Array.from({ length: 100 }, (_, i) => `${i}`);
      await pub([...at, ...V, '-q', '2', '-t', topic, '-l'], lines.join('\n'));
      const back = new Tool(['mosquitto_sub', ...session, '-C', '100']);
      expect((await back.exit).out).toBe(`${lines.join('\n')}\n`);
    });

    test('-f: a file of 5 MB comes whole', async () => {
      const topic = unique('file');
      const content = Buffer.alloc(5_000_000, 'a file that is not short');
      const file = broker.write(`${version}.bin`, content);
      const subscriber = await sub([...at, ...V, '-q', '1', '-t', topic], '%l %p');
      await pub([...at, ...V, '-q', '1', '-t', topic, '-f', file]);
      const [length, text] = split(await subscriber.next());
      expect(length).toBe('5000000');
      expect(digest(text)).toBe(digest(content));
    });

    test('wildcards, -T and an unsubscription', async () => {
      const root = unique('w');
      const subscriber = await sub([
        ...at,
        ...V,
        '-t',
        `${root}/+/x`,
        '-t',
        `${root}/y/#`,
        '-U',
        `${root}/z`,
      ]);
      for (const topic of ['a/x', 'a/b/x', 'y', 'z', 'y/1/2'])
        await pub([...at, ...V, '-q', '1', '-t', `${root}/${topic}`, '-m', 'm']);
      expect(await subscriber.take(3)).toEqual([`${root}/a/x m`, `${root}/y m`, `${root}/y/1/2 m`]);
    });

    test('--unix', async () => {
      const topic = unique('unix');
      const here = ['--unix', broker.file('mqtt.sock'), ...V];
      const subscriber = await sub([...here, '-t', topic]);
      await pub([...here, '-t', topic, '-m', 'hello', '-q', '2']);
      expect(await subscriber.next()).toBe(`${topic} hello`);
    });

    test('-u and -P, right and wrong', async () => {
      const right = ['-u', 'berta', '-P', 'p\u00e4ssword'];
      const subscriber = await sub([...members, ...V, ...right, '-t', 'berta/is/here']);
      await pub([...members, ...V, ...right, '-q', '1', '-t', 'berta/is/here', '-m', 'in']);
      expect(await subscriber.next()).toBe('berta/is/here in');
      const wrong = await tryPub([...members, ...V, '-u', 'berta', '-P', 'x', '-t', 'berta/a', '-m', 'm']);
      expect(wrong.code).not.toBe(0);
      const said =
        version === 'mqttv5'
          ? /Not authorized|bad user ?name or password/i
          : /not authorised|bad user name or password/i;
      expect(wrong.errors).toMatch(said);
    });

    test('what the rules forbid is refused, as far as the version has words for it', async () => {
      const refused = new Tool(['mosquitto_sub', '-d', ...members, ...V, '-t', 'berta/+/here']);
      const { out, errors } = await refused.exit;
      // 3.1 too: libmosquitto shows 0x80 as 128.
      expect(out).toMatch(version === 'mqttv5' ? /Subscribed \(mid: 1\): 135/ : /Subscribed \(mid: 1\): 128/);
      expect(errors).toMatch(/All subscription requests were denied/);
      const watcher = await sub([...at, ...V, '-t', 'berta/x', '-t', 'open/x']);
      const denied = await tryPub([...members, ...V, '-d', '-q', '1', '-t', 'berta/x', '-m', 'forbidden']);
      if (version === 'mqttv5') expect(denied.out + denied.errors).toMatch(/RC:135|Not authorized/);
      await pub([...members, ...V, '-q', '1', '-t', 'open/x', '-m', 'allowed']);
      expect(await watcher.next()).toBe('open/x allowed');
    });
  });

  describe('properties (-D)', () => {
    const V5 = ['-V', 'mqttv5'];
    const D = (command: string, properties: Readonly<Record<string, string>>) =>
      Object.entries(properties).flatMap(([name, value]) => ['-D', command, name, ...value.split(' ')]);

    test('all that a PUBLISH has', async () => {
      const topic = unique('properties');
      const own = D('subscribe', { 'subscription-identifier': '77', 'user-property': 'asks why' });
      const format = '%p|%C|%D|%E|%F|%P|%R|%S|%A';
      const subscriber = await sub([...at, ...V5, '-q', '1', '-t', topic, ...own], format);
      const properties = D('publish', {
        'content-type': 'text/plain',
        'correlation-data': 'c0rr',
        'message-expiry-interval': '1000',
        'payload-format-indicator': '1',
        'response-topic': 'answers/here',
        'topic-alias': '1',
      });
      const user = ['b 1', 'a 2', 'b 1'].flatMap((pair) => [
        '-D',
        'publish',
        'user-property',
        ...pair.split(' '),
      ]);
      await pub([...at, ...V5, '-q', '1', '-t', topic, '-m', 'x', ...properties, ...user, '--repeat', '2']);
      const said = 'x|text/plain|c0rr|1000|1|b:1 a:2 b:1|answers/here|77|';
      expect(await subscriber.take(2)).toEqual([said, said]);
    });

    test('all that a CONNECT, a SUBSCRIBE, an UNSUBSCRIBE and a DISCONNECT have', async () => {
      const topic = unique('properties');
      const properties = D('connect', {
        'session-expiry-interval': '60',
        'receive-maximum': '5',
        'maximum-packet-size': '1000',
        'topic-alias-maximum': '0',
        'request-problem-information': '1',
        'request-response-information': '1',
        'user-property': 'who am',
      });
      const others = [
        ...D('unsubscribe', { 'user-property': 'a b' }),
        ...D('disconnect', {
          'session-expiry-interval': '0',
          'reason-string': 'enough',
          'user-property': 'a b',
        }),
      ];
      const subscriber = await sub([
        ...at,
        ...V5,
        '-i',
        unique('full'),
        '-q',
        '2',
        '-t',
        topic,
        ...properties,
        ...others,
      ]);
      await pub([...at, ...V5, '-q', '2', '-t', topic, '-m', 'y'.repeat(2_000)]);
      await pub([...at, ...V5, '-q', '2', '-t', topic, '-m', 'fits']);
      expect(await subscriber.next()).toBe(`${topic} fits`);
      expect((await subscriber.tool.stop('SIGINT')).errors).toBe('');
    });

    test('all that a will has', async () => {
      const topic = unique('will');
      const watcher = await sub([...at, ...V5, '-t', topic], '%p|%C|%D|%E|%F|%P|%R');
      const properties = D('will', {
        'will-delay-interval': '1',
        'content-type': 'text/x',
        'correlation-data': 'cc',
        'message-expiry-interval': '50',
        'payload-format-indicator': '1',
        'response-topic': 'r/r',
        'user-property': 'k v',
      });
      const will = ['--will-topic', topic, '--will-payload', 'gone', ...properties];
      const mortal = await sub([...at, ...V5, '-c', '-i', unique('mortal'), '-x', '30', '-t', 'x', ...will]);
      await mortal.tool.kill();
      expect(await watcher.next()).toBe('gone|text/x|cc|50|1|k:v|r/r');
    });

    test('--retain-as-published', async () => {
      const topic = unique('options');
      await pub([...at, ...V5, '-r', '-q', '1', '-t', topic, '-m', 'old']);
      const subscriber = await sub([...at, ...V5, '-t', topic, '--retain-as-published'], '%r %p');
      await pub([...at, ...V5, '-r', '-q', '1', '-t', topic, '-m', 'new']);
      expect(await subscriber.take(2)).toEqual(['1 old', '1 new']);
    });

    test('mosquitto_rr asks and gets its answer', async () => {
      const topic = unique('request');
      const answerer = await sub([...at, ...V5, '-t', topic], '%R %D %p');
      const asking = new Tool([
        'mosquitto_rr',
        ...at,
        ...V5,
        '-t',
        topic,
        '-e',
        `${topic}/answer`,
        '-m',
        'how much?',
      ]);
      const [to, ...rest] = (await answerer.next()).split(' ');
      expect(to).toBe(`${topic}/answer`);
      expect(rest.join(' ')).toContain('how much?');
      await pub([...at, ...V5, '-t', to!, '-m', '42']);
      expect((await asking.exit).out).toBe('42\n');
    });
  });

  test('$SYS is told to those who ask for it', async () => {
    const { code, out } = await run(['mosquitto_sub', ...at, '-t', '$SYS/#', '-C', '5', '-v', '-W', '5']);
    expect(code).toBe(0);
    expect(out).toMatch(/^\$SYS\//);
  });

  test('the log names no fault', () => {
    expect(
      broker.log.filter((line) => /"level":"(?:warn|error)"/.test(line) && !line.includes('memory')),
    ).toEqual([]);
  });
});

function split(line: string): [string, string] {
  const at = line.indexOf(' ');
  return [line.slice(0, at), line.slice(at + 1)];
}

function digest(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
