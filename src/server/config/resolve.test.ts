// The configuration: every mistake said exactly, the order of the sources, and what is printed of it.

import { expect, test } from 'vitest';
import { fieldsOf, flagOf, variableOf } from './fields.ts';
import { plan } from './listeners.ts';
import { printSettings } from './print.ts';
import { resolveConfig } from './resolve.ts';
import { schema } from './schema.ts';
import { formatProblem } from './source.ts';

const yaml = (text: string) => resolveConfig({ file: { name: '/etc/waymeet.yaml', text } });
const said = (text: string) => yaml(text).problems.map(formatProblem);

test('nothing configured: this machine alone, everything on, no TLS', () => {
  const { config, problems } = resolveConfig({});
  expect(problems).toEqual([]);
  const listeners = plan(config!);
  expect(listeners.map((l) => [l.name, l.type, l.port, l.hosts.join()])).toEqual([
    ['mqtt', 'tcp', 1883, '127.0.0.1,::1'],
    ['web', 'ws', 8080, '127.0.0.1,::1'],
    ['coap', 'udp', 5683, '127.0.0.1,::1'],
    ['coap-tcp', 'tcp', 5683, '127.0.0.1,::1'],
    ['mqttsn', 'udp', 1884, '127.0.0.1,::1'],
    ['stomp', 'tcp', 61613, '127.0.0.1,::1'],
    ['amqp', 'tcp', 5672, '127.0.0.1,::1'],
    ['xmpp', 'tcp', 5222, '127.0.0.1,::1'],
  ]);
  expect(config!.limits.queueBytes).toBe(256e6);
  expect(config!.limits.sessionExpiry).toBe(Number.POSITIVE_INFINITY);
  expect(config!.store).toEqual({ path: './waymeet-data', durability: 'full' });
});

test('a certificate at the top brings the TLS listeners', () => {
  const { config } = yaml('tls: {cert: c.pem, key: k.pem}');
  expect(plan(config!).map((l) => l.name)).toEqual([
    'mqtt',
    'mqtts',
    'web',
    'webs',
    'coap',
    'coap-tcp',
    'coaps-tcp',
    'coaps',
    'mqttsn',
    'mqttsns',
    'stomp',
    'stomps',
    'amqp',
    'amqps',
    'xmpp',
    'xmpps',
  ]);
  expect(plan(config!)[1]!.tls.cert).toBe('/etc/c.pem');
});

test('shared keys at the top bring CoAP over DTLS', () => {
  const { config } = yaml('tls: {psk: keys}');
  expect(plan(config!).map((l) => [l.name, l.type, l.port])).toContainEqual(['coaps', 'dtls', 5684]);
  expect(plan(config!).map((l) => l.name)).not.toContain('mqtts');
});

const MISTAKES: [title: string, text: string, problems: string[]][] = [
  [
    'misspelt key',
    'store:\n  pth: ./d',
    ["/etc/waymeet.yaml:2:3 store.pth: is no setting; did you mean 'path'?"],
  ],
  [
    'misspelt group',
    'sotre: {path: d}',
    ["/etc/waymeet.yaml:1:1 sotre: is no setting; did you mean 'store'?"],
  ],
  [
    'misspelt word',
    'store:\n  durability: ful',
    [
      '/etc/waymeet.yaml:2:15 store.durability: must be full, relaxed or memory, not "ful"; did you mean \'full\'?',
    ],
  ],
  [
    'no size',
    'limits:\n  queueBytes: much',
    [
      "/etc/waymeet.yaml:2:15 limits.queueBytes: must be a size such as '64kB', '10MB' or '1GiB', not \"much\"",
    ],
  ],
  [
    'no time',
    'sys: {interval: 10x}',
    [
      "/etc/waymeet.yaml:1:17 sys.interval: must be a time such as '30s', '5min', '1h', '7d' or 'never', not \"10x\"",
    ],
  ],
  ['group that is a value', 'store: here', ['/etc/waymeet.yaml:1:8 store: must be a group of settings']],
  ['list that is a value', 'listeners: mqtt', ['/etc/waymeet.yaml:1:12 listeners: must be a list']],
  [
    'several at a time, each in its place',
    'listeners:\n  - name: a\n    port: 70000\n  - name: b\n    prot: 1',
    [
      '/etc/waymeet.yaml:3:11 listeners[0].port: must be a port (0 to 65535; 0 picks a free one), not 70000',
      "/etc/waymeet.yaml:5:5 listeners[1].prot: is no setting; did you mean 'port'?",
    ],
  ],
  [
    'lacking name',
    'listeners:\n  - port: 1',
    ['/etc/waymeet.yaml:2:5 listeners[0].name: is missing: write text'],
  ],
  [
    'lacking port',
    'listeners: [{name: a}]',
    ["/etc/waymeet.yaml:1:13 listeners[0]: has no 'port': write port: 1883"],
  ],
  [
    'two of a name, on one port',
    'listeners:\n  - {name: a, port: 1}\n  - {name: a, port: 1}',
    [
      "/etc/waymeet.yaml:3:12 listeners[1].name: 'a' is the name of an earlier listener",
      "/etc/waymeet.yaml:3:21 listeners[1].port: listener 'a' has port 1 of 127.0.0.1 already",
      "/etc/waymeet.yaml:3:21 listeners[1].port: listener 'a' has port 1 of ::1 already",
    ],
  ],
  [
    'protocol that does not fit',
    'listeners:\n  - {name: a, port: 1, protocols: [waymeet]}',
    [
      '/etc/waymeet.yaml:2:35 listeners[0].protocols: waymeet cannot be spoken over tcp: write type: ws or wss',
    ],
  ],
  [
    'TLS without a certificate',
    'listeners:\n  - {name: a, port: 1, type: tls}',
    [
      '/etc/waymeet.yaml:2:5 listeners[0]: is tls without a certificate: write tls: {cert: ./cert.pem, key: ./key.pem}',
    ],
  ],
  [
    'unix socket without path',
    'listeners:\n  - {name: a, type: unix}',
    ["/etc/waymeet.yaml:2:5 listeners[0]: is a unix socket without 'path': write path: ./waymeet.sock"],
  ],
  [
    'half a certificate',
    'tls: {cert: c.pem}',
    ["/etc/waymeet.yaml:1:6 tls: has no 'key': a certificate needs both cert and key"],
  ],
  [
    'certificates required of nobody',
    'tls: {cert: c, key: k, requireCert: true}',
    ["/etc/waymeet.yaml:1:37 tls.requireCert: needs 'ca': the authorities that vouch for clients"],
  ],
  [
    'rules without users',
    'auth: {acl: x}',
    [
      "/etc/waymeet.yaml:1:7 auth: has rules, and everybody may do everything: write users: ./waymeet-users, or engine: file where certificates, keys or 'anonymous' let in",
    ],
  ],
  [
    'faulty rules',
    'auth:\n  users: u\n  rules:\n    - {user: a, alow: both, filter: x}\n    - {group: ops, deny: both, filter: x}',
    ["/etc/waymeet.yaml:4:17 auth.rules[0].alow: is no setting; did you mean 'allow'?"],
  ],
  [
    'rules that no machine can follow',
    'auth:\n  users: u\n  rules:\n    - {user: a, filter: x}\n    - {group: ops, deny: both, filter: x}',
    [
      "/etc/waymeet.yaml:4:7 auth.rules[0]: says either 'allow' or 'deny': publish, subscribe or both",
      '/etc/waymeet.yaml:5:7 auth.rules[1]: group `ops` has no members: say who they are',
    ],
  ],
  [
    'file engine without file',
    'auth: {engine: file}',
    ['/etc/waymeet.yaml:1:7 auth: asks for a users file and names none: write users: ./waymeet-users'],
  ],
  [
    'relative web path',
    'web: {mqtt: mqtt}',
    ["/etc/waymeet.yaml:1:13 web.mqtt: must start with '/': write /mqtt"],
  ],
  [
    'not YAML',
    'store: [1',
    [
      '/etc/waymeet.yaml:1:10 is not YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
  ],
  ['a key twice', 'host: a\nhost: b', ['/etc/waymeet.yaml:2:1 is not YAML: Map keys must be unique']],
  ['no settings at all', '- 1', ['/etc/waymeet.yaml:1:1 must hold settings, each as `name: value`']],
];

test.each(MISTAKES)('%s: said exactly, with its line and column', (_, text, problems) => {
  expect(said(text)).toEqual(problems);
  expect(yaml(text).config).toBeUndefined();
});

test('a group or setting with nothing behind it is as good as not written', () => {
  expect(said('store:\nlog:\n  level:')).toEqual([]);
});

test('open to a network by accident: refused with the lines to write', () => {
  const [problem, ...others] = said('host: 0.0.0.0');
  expect(others).toEqual([]);
  expect(
    problem,
  ).toBe(`/etc/waymeet.yaml:1:7 host: would let everybody who reaches 0.0.0.0 publish and subscribe. Write either
    auth:
      users: ./waymeet-users   # then: waymeet user add NAME --users ./waymeet-users
  or, if that is what you want,
    anonymous: true            # or start with --anonymous`);
  expect(said('host: 0.0.0.0\nanonymous: true')).toEqual([]);
  expect(said('host: 0.0.0.0\nauth: {users: u}')).toEqual([]);
  expect(said('listeners: [{name: a, port: 1, host: 192.0.2.1, anonymous: true}]')).toEqual([]);
  expect(said('listeners: [{name: a, port: 1, host: 192.0.2.1, auth: {users: u}}]')).toEqual([]);
  expect(said('listeners: [{name: a, port: 1, host: [localhost, 127.0.0.3]}]')).toEqual([]);
  expect(
    said('auth: {users: u}\nlisteners: [{name: a, port: 1, host: "::", auth: {engine: open}}]')[0],
  ).toContain("everybody who reaches 'a' on ::");
});

test('environment over file, flags over both, defaults below', () => {
  const { config, problems, settings } = resolveConfig({
    file: {
      name: '/etc/waymeet.yaml',
      text: 'store:\n  path: data\n  durability: relaxed\nlog: {level: warn}',
    },
    environment: {
      WAYMEET_LOG_LEVEL: 'debug',
      WAYMEET_STORE_DURABILITY: 'memory',
      HOME: '/root',
      WAYMEET_PORT: 'tcp://10.0.0.1',
    },
    flags: new Map([['log.level', 'error']]),
  });
  expect(problems).toEqual([]);
  expect(config!.store).toEqual({ path: '/etc/data', durability: 'memory' });
  expect(config!.log.level).toBe('error');
  const where = Object.fromEntries(settings.map((s) => [s.field.path, s.where]));
  expect(where['store.path']).toBe('/etc/waymeet.yaml:2:9');
  expect(where['store.durability']).toBe('WAYMEET_STORE_DURABILITY');
  expect(where['log.level']).toBe('--log-level');
  expect(where['log.format']).toBe('default');
});

const VARIABLES: [Record<string, string>, string[]][] = [
  [{ WAYMEET_STORE_PTH: 'x' }, ['WAYMEET_STORE_PTH is no setting; did you mean WAYMEET_STORE_PATH?']],
  [
    { WAYMEET_PORTS_MQTT: 'x' },
    ['WAYMEET_PORTS_MQTT ports.mqtt: must be a port (0 to 65535; 0 picks a free one) or \'off\', not "x"'],
  ],
  [
    { WAYMEET_LISTENERS: '[{name: a, port: 1, tpye: tcp}]' },
    ["WAYMEET_LISTENERS listeners[0].tpye: is no setting; did you mean 'type'?"],
  ],
  [
    { WAYMEET_LISTENERS: '[' },
    ['WAYMEET_LISTENERS listeners: is not YAML or JSON: Flow sequence must end with a ]'],
  ],
];

test.each(VARIABLES)('a wrong variable is named: %j', (environment, problems) => {
  expect(resolveConfig({ environment }).problems.map(formatProblem)).toEqual(problems);
});

test('a wrong flag is named', () => {
  const { problems } = resolveConfig({ flags: new Map([['limits.inflight', '0']]) });
  expect(problems.map(formatProblem)).toEqual([
    '--limits-inflight limits.inflight: must be a whole number from 1 to 32767, not 0',
  ]);
});

test('lists in variables: commas, YAML and JSON; text stays text', () => {
  const hosts = (text: string) => resolveConfig({ environment: { WAYMEET_HOST: text } }).config!.host;
  expect(hosts('127.0.0.1, ::1')).toEqual(['127.0.0.1', '::1']);
  expect(hosts('["127.0.0.1"]')).toEqual(['127.0.0.1']);
  const { config } = resolveConfig({
    environment: { WAYMEET_STORE_PATH: '123', WAYMEET_LISTENERS: '[{"name":"a","port":0}]' },
  });
  expect(config!.store.path).toBe('123');
  expect(config!.listeners![0]!.name).toBe('a');
});

test('every setting has a variable and a flag of its own', () => {
  const fields = fieldsOf(schema);
  expect(new Set(fields.map((f) => variableOf(f.path))).size).toBe(fields.length);
  expect(new Set(fields.map((f) => flagOf(f.path))).size).toBe(fields.length);
  expect(variableOf('limits.connectionsPerAddress')).toBe('WAYMEET_LIMITS_CONNECTIONS_PER_ADDRESS');
  expect(flagOf('limits.connectionsPerAddress')).toBe('--limits-connections-per-address');
  for (const f of fields) expect(f.notes.about, f.path).toMatch(/\.$/);
});

test('what is printed says where each value is from, and is itself a configuration', () => {
  const { settings, config } = resolveConfig({
    file: { name: '/etc/waymeet.yaml', text: 'listeners:\n  - name: a\n    port: 1\n' },
    environment: { WAYMEET_SYS_INTERVAL: '5s' },
  });
  const printed = printSettings(settings);
  expect(printed).toContain('host: [127.0.0.1, ::1]  # default\n');
  expect(printed).toContain('listeners:  # /etc/waymeet.yaml:2:3\n  - name: a\n    port: 1\n');
  expect(printed).toContain('sys:\n  interval: 5s  # WAYMEET_SYS_INTERVAL\n');
  expect(yaml(printed).problems).toEqual([]);
  expect(yaml(printed).config!.limits).toEqual(config!.limits);
});

test('what a listener says of CoAP and MQTT-SN is said of it alone', () => {
  const { config, problems } = yaml(`
coap: {body: 64kB}
mqttsn: {retries: 5, predefined: {1: a}, clients: {d: {1: b}}}
listeners:
  - {name: one, type: udp, port: 1, coap: {body: 2MB, plugtest: true}}
  - {name: two, type: udp, port: 2, protocols: mqttsn, mqttsn: {qosMinusOne: false, clients: {e: {2: c}}}}
`);
  expect(problems).toEqual([]);
  const [one, two] = plan(config!);
  expect([one!.coap.body, one!.coap.plugtest, one!.coap.verifyAddresses]).toEqual([2e6, true, true]);
  expect([two!.coap.body, two!.coap.plugtest, two!.mqttsn.retries, two!.mqttsn.qosMinusOne]).toEqual([
    64e3,
    false,
    5,
    false,
  ]);
  expect(two!.mqttsn.predefined).toEqual(new Map([[1, 'a']]));
  expect(two!.mqttsn.clients).toEqual(new Map([['e', new Map([[2, 'c']])]]));
});
