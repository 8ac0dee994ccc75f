// A reload through the whole server: what is applied at once, and what the log says about the rest.

import { SignJWT } from 'jose';
import { connectAsync } from 'mqtt';
import { expect, test } from 'vitest';
import { changesOf } from '../../src/server/config/changes.ts';
import { configOf, ending, folder, OFF, resolved, start } from './running.ts';

const MQTT = { ports: { ...OFF, mqtt: 0 } };

async function client(url: string, options = {}) {
  const made = await connectAsync(url, { reconnectPeriod: 0, protocolVersion: 5, ...options });
  ending(() => made.endAsync(true));
  return made;
}

test.each([
  [{ limits: { packet: '1MB' } }, ['limits.packet'], []],
  [{ limits: { topicLevels: 9 } }, [], ['limits.topicLevels']],
  [{ log: { level: 'warn', format: 'json' } }, ['log.level'], ['log.format']],
  [
    { mqtt: { topicAliasMaximum: 3, serverReference: 'other' } },
    [],
    ['mqtt.topicAliasMaximum', 'mqtt.serverReference'],
  ],
  [{ store: { durability: 'memory', path: '/elsewhere' } }, [], ['store.path']],
  [{ ports: { ...OFF, mqtt: 1884 } }, [], ['ports.mqtt']],
  // What listens without certificates or users does not begin to ask for them.
  [{ tls: { cert: 'c', key: 'k' } }, [], ['tls.cert', 'tls.key']],
  [{ auth: { users: 'u', acl: 'a' } }, [], ['auth.users', 'auth.acl']],
])('%j: live %j, restart %j', (settings, live, restart) => {
  const changes = changesOf(configOf({}), configOf({ ...settings }));
  expect(changes.live).toEqual(live);
  expect(changes.restart).toEqual(restart);
});

test('a file under another name is applied where there was one', () => {
  const before = configOf({ tls: { cert: 'c', key: 'k' }, auth: { users: 'u' } });
  const after = configOf({ tls: { cert: 'c2', key: 'k2' }, auth: { users: 'u2', acl: 'a' } });
  const { live, restart, applied } = changesOf(before, after);
  expect(live).toEqual(['tls.cert', 'tls.key', 'auth.users', 'auth.acl']);
  expect(restart).toEqual([]);
  expect(applied).toEqual(after);
});

test('listeners are compared by name, setting by setting', () => {
  const a = { name: 'a', port: 0 };
  const b = { name: 'b', port: 0, limits: { packet: '1MB' }, auth: { users: 'u' } };
  const before = configOf({ listeners: [a, b] });
  const after = configOf({
    listeners: [
      { ...b, port: 1, limits: { packet: '2MB' }, auth: { users: 'u2' }, mqtt: { topicAliasMaximum: 1 } },
      { name: 'c', port: 0 },
    ],
  });
  const { live, restart, applied } = changesOf(before, after);
  expect(live).toEqual(['listeners[0].auth.users', 'listeners[0].limits.packet']);
  expect(restart).toEqual([
    'listeners[0].port',
    'listeners[0].mqtt.topicAliasMaximum',
    "listeners[1] ('c' is new)",
    "listeners ('a' is gone)",
  ]);
  expect(applied.listeners!.map((l) => [l.name, l.port, l.limits.packet])).toEqual([
    ['a', 0, undefined],
    ['b', 0, 2_000_000],
  ]);
});

test('limits reach new connections; what needs a restart stays as it was, and is said', async () => {
  const hub = await start({ ...MQTT, limits: { packet: '10kB' } });
  const said = await hub.reload({
    ...MQTT,
    limits: { packet: '20kB', topicLevels: 3 },
    mqtt: { topicAliasMaximum: 7 },
  });
  expect(said).toContain('warn these changes need a restart: mqtt.topicAliasMaximum, limits.topicLevels');
  expect(said.join('\n')).toMatch(/info reloaded .*limits\.packet/);
  expect(hub.server.hub.limits.topicLevels).toBe(128);
  const one = await connectAsync(hub.server.address('mqtt'), { reconnectPeriod: 0, protocolVersion: 5 });
  ending(() => one.endAsync(true));
  await one.publishAsync('1/2/3/4', Buffer.alloc(15_000), { qos: 1 });
  // Asked again, it still needs one.
  expect((await hub.reload({ ...MQTT, limits: { topicLevels: 3, packet: '20kB' } })).join('\n')).toContain(
    'limits.topicLevels',
  );
});

test('a $share group that is there follows new queue limits', async () => {
  const hub = await start({ ...MQTT, limits: { queueMessages: 2 } });
  const url = hub.server.address('mqtt');
  // A member that is away: the group queues.
  const member = await client(url, {
    clientId: 'member',
    clean: false,
    properties: { sessionExpiryInterval: 60 },
  });
  await member.subscribeAsync('$share/g/a', { qos: 1 });
  await member.endAsync();
  const publisher = await client(url);
  const send = async (n: number) => {
    for (let i = 0; i < n; i++) await publisher.publishAsync('a', `${i}`, { qos: 1 });
  };
  await send(3);
  expect(hub.server.hub.stats.queuedMessages).toBe(2);
  await hub.reload({ ...MQTT, limits: { queueMessages: 4 } });
  await send(3);
  expect(hub.server.hub.stats.queuedMessages).toBe(4);
});

test('rules in the configuration hold, and a reload replaces them under a client that is connected', async () => {
  const rules = (filter: string) => [
    { anonymous: true, allow: 'both', filter },
    { deny: 'publish', filter: 'open/secret' },
  ];
  const settings = (filter: string) => ({
    ...MQTT,
    anonymous: true,
    auth: { engine: 'file', rules: rules(filter) },
  });
  const hub = await start(settings('open/#'));
  const one = await client(hub.server.address('mqtt'));
  await one.publishAsync('open/a', 'x', { qos: 1 });
  await expect(one.publishAsync('open/secret', 'x', { qos: 1 })).rejects.toThrow();
  const two = await client(hub.server.address('mqtt'));
  await expect(two.publishAsync('other', 'x', { qos: 1 })).rejects.toThrow();

  expect((await hub.reload(settings('other'))).join('\n')).toMatch(/reloaded users and rules; .*auth\.rules/);
  const three = await client(hub.server.address('mqtt'));
  await three.publishAsync('other', 'x', { qos: 1 });
  await expect(three.publishAsync('open/a', 'x', { qos: 1 })).rejects.toThrow();
});

test('who lost the right to a subscription is sent away, and comes back without it', async () => {
  const settings = (...filters: string[]) => ({
    ...MQTT,
    anonymous: true,
    auth: { engine: 'file', rules: filters.map((filter) => ({ anonymous: true, allow: 'both', filter })) },
  });
  const hub = await start(settings('a/#', 'b/#'));
  const url = hub.server.address('mqtt');
  const kept = { properties: { sessionExpiryInterval: 60 }, clean: false };
  const reader = await client(url, { ...kept, clientId: 'reader' });
  const away = await client(url, { ...kept, clientId: 'away' });
  const writer = await client(url, { clientId: 'writer' });
  for (const c of [reader, away]) await c.subscribeAsync(['a/x', '$share/g/a/x', 'b/x'], { qos: 1 });
  await writer.subscribeAsync('b/#');
  await away.endAsync();
  const sentAway = new Promise((resolve) => reader.once('disconnect', (p) => resolve(p.reasonCode)));
  await hub.reload(settings('b/#'));
  expect(await sentAway).toBe(0x87);
  expect(writer.connected).toBe(true);

  // `away` lost it too, and does not get it back with the right.
  await hub.reload(settings('a/#', 'b/#'));
  expect(hub.server.hub.stats.subscriptions).toBe(3); // b/x of `reader` and of `away`, one of `writer`
  const back = await client(url, { ...kept, clientId: 'away' });
  await expect(back.unsubscribeAsync('a/x')).resolves.toMatchObject({ granted: [0x11] });
});

test('a users file that is wrong leaves the users as they were', async () => {
  const users = folder().write('users', '');
  const settings = { ...MQTT, anonymous: true, auth: { users, rules: [{ allow: 'both', filter: '#' }] } };
  const hub = await start(settings);
  const broken = folder().write('users', 'what is this\n');
  const said = await hub.reload({ ...settings, auth: { ...settings.auth, users: broken } });
  expect(said.join('\n')).toMatch(/error reload: users and rules stay as they were: .*users:1/);
  await (await client(hub.server.address('mqtt'))).publishAsync('a', 'x', { qos: 1 });
});

test.each([
  [{ rules: [{ user: 'a', filter: 'x' }] }, 'auth.rules[0]', "says either 'allow' or 'deny'"],
  [
    { rules: [{ user: 'a', allow: 'both', deny: 'both', filter: 'x' }] },
    'auth.rules[0]',
    "says either 'allow' or 'deny'",
  ],
  [{ rules: [{ group: 'ops', allow: 'both', filter: 'x' }] }, 'auth.rules[0]', 'group `ops` has no members'],
  [{ rules: [{ allow: 'both', filter: 'x/#/y' }] }, 'auth.rules[0]', '#'],
  [{ rules: [{ allow: 'publsh', filter: 'x' }] }, 'auth.rules[0].allow', "did you mean 'publish'?"],
  [{ rules: [{ allow: 'both' }] }, 'auth.rules[0].filter', 'is missing'],
  [{ groups: { ops: [7] } }, 'auth.groups', 'must be names'],
])('faulty rules: %j', (auth, path, text) => {
  const { problems } = resolved({ auth: { users: 'u', ...auth } });
  expect(problems.map((p) => `${p.path} ${p.text}`)).toEqual([expect.stringContaining(text)]);
  expect(problems[0]!.path).toBe(path);
});

test('a new secret for tokens: the old ones are refused, who is connected stays', async () => {
  const settings = (secret: string) => ({ ...MQTT, auth: { jwt: { secret } } });
  const [one, two] = ['one', 'two'].map((name) => `${name} secret of thirty-two octets or more`) as [
    string,
    string,
  ];
  const token = (secret: string) =>
    new SignJWT({ sub: 'alice' })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('1h')
      .sign(Buffer.from(secret));
  const hub = await start(settings(one));
  const url = hub.server.address('mqtt');
  const connect = async (secret: string) => client(url, { username: 'x', password: await token(secret) });
  const before = await connect(one);
  await expect(connect(two)).rejects.toThrow();
  const said = await hub.reload(settings(two));
  expect(said.join('\n')).toContain('auth.jwt.secret');
  expect(said.join('\n')).not.toContain(two);
  await expect(connect(one)).rejects.toThrow();
  await (await connect(two)).publishAsync('a', 'x', { qos: 1 });
  await before.publishAsync('a', 'x', { qos: 1 });
});
