// Every setting there is: the one schema that files, environment, flags, `--help` and the reference are made from.

import { z } from 'zod';
import { JWT_ALGORITHMS } from '../../auth/algorithms.ts';
import { coap, coapHere, mqttsn, mqttsnHere } from './datagrams.ts';
import {
  duration,
  fieldNotes,
  fileOrUrl,
  flag,
  group,
  limit,
  listOf,
  namesByName,
  oneOf,
  optional,
  optionalGroup,
  path,
  port,
  portNumber,
  preset,
  required,
  size,
  sizeOrNone,
  span,
  text,
  textByName,
  url,
  whole,
} from './field.ts';

const LIVE = { live: true };

/** What stands in `tls`, at the top and in a listener. */
const tlsShape = () => ({
  cert: optional('The certificate chain, PEM.', path, LIVE),
  key: optional('The private key of `cert`, PEM.', path, LIVE),
  ca: optional(
    'Authorities whose client certificates are accepted, PEM. Given: clients are asked for one.',
    path,
    LIVE,
  ),
  crl: optional('Revoked client certificates, PEM; of each authority in `ca` one list.', path, LIVE),
  requireCert: preset('Refuse clients without a certificate that `ca` vouches for.', flag, false),
  certificateIsUser: preset(
    "A verified certificate's common name is the user name; no password is asked.",
    flag,
    false,
  ),
  psk: optional('Pre-shared keys of `tls` listeners, one line each: `identity:key in hex`.', path, LIVE),
  minVersion: preset('The oldest TLS version spoken.', oneOf('TLSv1.2', 'TLSv1.3'), 'TLSv1.2'),
  sni: list('More certificates, chosen by the server name that the client asks for.', serverName, LIVE),
});

const serverName = z.strictObject({
  name: required('The server name that clients ask for (SNI), `*.example.org` allowed.', text, LIVE),
  cert: required('The certificate chain for it, PEM.', path, LIVE),
  key: required('The private key of `cert`, PEM.', path, LIVE),
});

const tls = group('Certificates of every TLS and DTLS listener that has none of its own.', tlsShape());

const mqttShape = {
  maxKeepAliveSeconds: preset(
    'Longer keep-alive times are lowered to this in MQTT 5; 0 leaves every choice to the client.',
    whole(0, 65_535),
    0,
  ),
  topicAliasMaximum: preset('Topic aliases that a client may use towards the hub.', whole(0, 65_535), 64),
  checkPayloadFormat: preset('Refuse payloads that are announced as UTF-8 text and are not.', flag, false),
  responseInformation: optional('The response information that MQTT 5 clients are told when they ask.', text),
  serverReference: optional('Send every MQTT 5 client to this other server.', text),
  serverMoved: preset(
    'The other server is to be used for good (0x9D), not only for now (0x9C).',
    flag,
    false,
  ),
};

const mqtt = group('MQTT, unless a listener says otherwise.', mqttShape);

const xmpp = group('XMPP at every listener that speaks it.', {
  domain: optional('The only domain that is served; unless said, whatever clients call this hub.', text),
  starttls: preset(
    'Who must begin TLS (STARTTLS) before the login, on a listener that speaks XMPP alone and has a certificate: clients of other machines (`auto`), all (`required`) or none (`offered`).',
    oneOf('auto', 'required', 'offered'),
    'auto',
  ),
  resume: preset('How long a lost connection may be resumed (XEP-0198).', span, '5min'),
  stanza: preset('The largest stanza taken, within `limits.packet`.', size(10_240, 67_108_864), '1MiB'),
  ping: preset(
    'A client that says nothing for so long is asked whether it is there, and given as long again.',
    span,
    '2min',
  ),
});

/** What one `auth` block says: at the top for all, in a listener for that one. */
const authShape = () => ({
  engine: optional(
    '`open` lets everybody do everything; `file` asks. `file` when `users`, `jwt` or `http` says whom.',
    oneOf('open', 'file'),
  ),
  users: optional('The users file; `waymeet user add` writes it.', path, LIVE),
  acl: optional(
    'The rules file: who may publish and subscribe where. Without it and `rules`, users may do everything.',
    path,
    LIVE,
  ),
  rules: list(
    'Rules written here, beside those of the file. What none allows is denied; where they disagree, `deny` wins.',
    rule,
    LIVE,
  ),
  groups: optional('Who is in the groups that `rules` name: `{ops: [alice, bob]}`.', namesByName, LIVE),
  order: preset(
    'Who is asked first, of those that are set up. Certificates and pre-shared keys come before them all.',
    listOf(oneOf('users', 'jwt', 'http')),
    ['users', 'jwt', 'http'],
    LIVE,
  ),
  jwt: group('Tokens (JWT) as passwords, once there is a key to check them with.', {
    jwks: optional('The key set: a file, or a URL that is fetched and fetched again.', fileOrUrl, LIVE),
    key: optional('A public key or certificate, PEM.', path, LIVE),
    secret: optional(
      'The shared secret of HS256, HS384 and HS512, 32 octets or more; `base64:` in front of octets that are no text.',
      text,
      { ...LIVE, secret: true },
    ),
    secretFile: optional('A file with that secret.', path, LIVE),
    ca: optional(
      'Authorities that vouch for the server of `jwks`, PEM; those of the system unless said.',
      path,
      LIVE,
    ),
    refresh: preset('How often a `jwks` URL is fetched again.', span, '10min', LIVE),
    issuer: optional('Accepted issuers (`iss`); any unless said.', listOf(text), LIVE),
    audience: optional('Accepted audiences (`aud`); any unless said.', listOf(text), LIVE),
    algorithms: optional(
      'Accepted algorithms; all that the keys fit unless said. `none` never is one.',
      listOf(oneOf(...JWT_ALGORITHMS)),
      LIVE,
    ),
    user: preset('The claim that is the user name; `a.b` is `b` inside of `a`.', text, 'sub', LIVE),
    groups: preset('The claim that lists groups.', text, 'groups', LIVE),
    acl: preset('The claim with rules of its own, in the form of `rules` without whom.', text, 'acl', LIVE),
    client: optional('A claim that must be the client id, so that a token serves one device.', text, LIVE),
    requireExpiry: preset('Refuse tokens without an end (`exp`).', flag, true, LIVE),
    leeway: preset('How far clocks may be apart.', span, '5s', LIVE),
  }),
  http: group('A service that is asked who may come in, once there is a `url`.', {
    url: optional('Where each question goes, by POST, as JSON.', url, LIVE),
    headers: optional('Header fields of each question: `{Authorization: Bearer secret}`.', textByName, {
      ...LIVE,
      secret: true,
    }),
    ca: optional('Authorities that vouch for its server, PEM; those of the system unless said.', path, LIVE),
    timeout: preset('How long an answer may take; then nobody comes in.', span, '3s', LIVE),
    cache: preset('How long an answer is remembered.', span, '1min', LIVE),
    cacheRefusals: preset('How long a refusal is.', span, '5s', LIVE),
    lasts: preset(
      'How long an answer that names no end is good for; then the client is sent away.',
      duration,
      'never',
      LIVE,
    ),
    concurrency: preset('Questions under way at a time; others wait.', whole(1, 1_024), 16, LIVE),
  }),
});

const rule = z.strictObject({
  user: optional('For this user; for everybody, where a rule names nobody.', text, LIVE),
  group: optional('For the users of this group.', text, LIVE),
  client: optional('For this client id.', text, LIVE),
  anonymous: optional('For clients that show no user name.', flag, LIVE),
  protocol: optional('For clients that speak this: `mqtt`, `coap`, `http`, `stomp` …', text, LIVE),
  listener: optional('For clients that came in at the listener of this name.', text, LIVE),
  allow: optional('What is allowed.', oneOf('publish', 'subscribe', 'both'), LIVE),
  deny: optional('What is denied, instead of `allow`.', oneOf('publish', 'subscribe', 'both'), LIVE),
  filter: required('Where: a filter; `%u` stands for the user name, `%c` for the client id.', text, LIVE),
});

const auth = group('Who may come in, and what they may do.', authShape());

/** Limits of one listener; absent ones are the hub's. */
const listenerLimits = group('Limits of this listener alone.', {
  packet: optional('The largest packet taken.', size(128), LIVE),
  connections: optional('Connections at a time.', limit(1), LIVE),
  connectionsPerAddress: optional('Connections at a time from one address.', limit(1), LIVE),
  login: optional('How long a client may take from its first byte to a completed login.', span, LIVE),
  firstByte: optional('How long a connection may stay silent at first.', span, LIVE),
  acceptPerSecond: optional('Connections accepted a second, on average.', limit(1), LIVE),
  connectsPerAddress: optional('The same from one address.', limit(1), LIVE),
  datagramsPerAddress: optional('Datagrams a second from one address, on average.', limit(1), LIVE),
  messagesPerSecond: optional('Messages that one client may publish a second.', limit(1), LIVE),
  bytesPerSecond: optional('Octets that one client may publish a second.', sizeOrNone(128), LIVE),
});

export const listener = z.strictObject({
  name: required('What logs, metrics and errors call it.', text),
  type: preset(
    'What carries it: `tcp`, `tls`, a unix socket, HTTP with WebSocket (`ws`, `wss`), `udp`, or `dtls` over UDP.',
    oneOf('tcp', 'tls', 'unix', 'ws', 'wss', 'udp', 'dtls'),
    'tcp',
  ),
  protocols: optional(
    'What is spoken there: `mqtt`, `coap`, `stomp`, `amqp1` and `xmpp` on streams and WebSocket, `amqp091` on streams, `waymeet` (JSON) on WebSocket, all that fit unless said; on UDP and DTLS either `coap`, which it is unless said, or `mqttsn`.',
    listOf(oneOf('mqtt', 'waymeet', 'coap', 'stomp', 'mqttsn', 'amqp091', 'amqp1', 'xmpp')),
  ),
  host: optional('Addresses to listen on; the top-level `host` unless said.', listOf(text)),
  port: optional('The port.', portNumber),
  path: optional('The file of a unix socket.', path),
  proxy: preset(
    'A proxy speaks the PROXY protocol (v1 or v2) first. Only for listeners that nobody else can reach.',
    flag,
    false,
  ),
  anonymous: optional('Let clients in that show no user name.', flag),
  tls: optionalGroup('Certificates of this listener, instead of those at the top.', tlsShape()),
  auth: optionalGroup('Who may come in here, instead of `auth` at the top.', authShape()),
  limits: listenerLimits,
  mqtt: group('MQTT at this listener.', {
    maxKeepAliveSeconds: optional(about(mqttShape.maxKeepAliveSeconds), whole(0, 65_535)),
    topicAliasMaximum: optional(about(mqttShape.topicAliasMaximum), whole(0, 65_535)),
    checkPayloadFormat: optional(about(mqttShape.checkPayloadFormat), flag),
    responseInformation: optional(about(mqttShape.responseInformation), text),
    serverReference: optional(about(mqttShape.serverReference), text),
    serverMoved: optional(about(mqttShape.serverMoved), flag),
  }),
  coap: coapHere,
  mqttsn: mqttsnHere,
});

const limits = group('What one hub holds at most, so that it stays up whatever its clients do.', {
  connections: preset('Connections at a time.', limit(1), 'none', LIVE),
  connectionsPerAddress: preset('Connections at a time from one address.', limit(1), 'none', LIVE),
  packet: preset(
    'The largest packet taken; the default is the largest that MQTT has.',
    size(128, 268_435_460),
    '268435460',
    LIVE,
  ),
  login: preset('How long a client may take from its first byte to a completed login.', span, '10s', LIVE),
  firstByte: preset('How long a connection may stay silent at first.', span, '10s', LIVE),
  acceptPerSecond: preset(
    'Connections that one listener accepts a second, on average.',
    limit(1),
    'none',
    LIVE,
  ),
  connectsPerAddress: preset(
    'Connections that one listener accepts a second from one address, on average.',
    limit(1),
    'none',
    LIVE,
  ),
  datagramsPerAddress: preset(
    'Datagrams that one UDP listener takes a second from one address, on average; from this machine, any number.',
    limit(1),
    10_000,
    LIVE,
  ),
  messagesPerSecond: preset(
    'Messages that one client may publish a second, on average: it is read no faster, or refused where its protocol cannot wait.',
    limit(1),
    'none',
    LIVE,
  ),
  bytesPerSecond: preset(
    'Octets of payloads and topics that one client may publish a second, on average.',
    sizeOrNone(128),
    'none',
    LIVE,
  ),
  topicLevels: preset('Levels of a topic.', whole(1, 65_535), 128),
  topicBytes: preset('Octets of a topic.', whole(1, 65_535), 65_535, LIVE),
  clientIdBytes: preset('Octets of a client id.', whole(23, 65_535), 1_024, LIVE),
  subscriptionsPerClient: preset('Subscriptions of one client.', limit(1), 10_000, LIVE),
  queueMessages: preset('Messages that wait for one client.', limit(1), 100_000, LIVE),
  queueBytes: preset('Octets of the messages that wait for one client.', size(1_024), '256MB', LIVE),
  overflow: preset(
    'What happens when a queue is full: the oldest or the newest message is dropped and counted, or the client is sent away.',
    oneOf('drop-oldest', 'drop-newest', 'evict'),
    'drop-newest',
    LIVE,
  ),
  inflight: preset(
    'Messages on their way to one client and not acknowledged.',
    whole(1, 32_767),
    8_192,
    LIVE,
  ),
  receiveMaximum: preset(
    'Messages of one client that may wait for an acknowledgement of the hub; MQTT 5 clients that send more are sent away. MQTT.js does not keep to it.',
    whole(1, 65_535),
    65_535,
    LIVE,
  ),
  retainedMessages: preset('Topics with a retained message.', limit(0), 1_000_000, LIVE),
  sessionExpiry: preset('The longest that a session outlives its connection.', duration, 'never', LIVE),
  messageExpiry: preset('The longest that a message waits for a client.', duration, 'never', LIVE),
  memory: preset(
    'The watermark: above it the hub takes no more until receivers catch up.',
    size(33_554_432),
    '1GB',
    LIVE,
  ),
});

const bans = group('Who is not let in for a while. `waymeet ban` and the admin API ban by hand.', {
  addressFailures: preset(
    'Failed logins from one address that ban it; of IPv6 its /64 counts. Addresses of this machine are never banned.',
    limit(1),
    100,
    LIVE,
  ),
  userFailures: preset(
    'Failed logins with one user name that ban that name. Mind that others can ban a user so.',
    limit(1),
    'none',
    LIVE,
  ),
  within: preset('The time in which they count together.', span, '1min', LIVE),
  lasts: preset('How long such a ban lasts.', span, '5min', LIVE),
});

/** The whole configuration. */
export const schema = z.strictObject({
  host: preset(
    'Addresses of every listener that names none. `0.0.0.0` and `::` are all of this machine.',
    listOf(text),
    ['127.0.0.1', '::1'],
  ),
  anonymous: preset(
    'Let clients in that show no user name, beyond this machine too. Until then, only loopback is open.',
    flag,
    false,
  ),
  watch: preset(
    "How often the files of users, rules, keys and certificates are looked at for changes; 'never': only on SIGHUP.",
    duration,
    '2s',
  ),
  ports: group('Ports of the listeners that exist when `listeners` says nothing.', {
    mqtt: preset('MQTT over TCP.', port, 1883),
    mqtts: preset('MQTT over TLS, once `tls.cert` is given.', port, 8883),
    web: preset(
      'HTTP: the dashboard, messages and admin API, MQTT and JSON over WebSocket, metrics, health.',
      port,
      8080,
    ),
    webs: preset('The same over HTTPS, once `tls.cert` is given.', port, 8443),
    coap: preset('CoAP over UDP.', port, 5683),
    coapTcp: preset('CoAP over TCP.', port, 5683),
    coapsTcp: preset('CoAP over TLS, once `tls.cert` is given.', port, 5684),
    coaps: preset('CoAP over DTLS, once `tls.cert` or `tls.psk` is given.', port, 5684),
    mqttsn: preset('MQTT-SN over UDP.', port, 1884),
    mqttsns: preset('MQTT-SN over DTLS, once `tls.cert` or `tls.psk` is given.', port, 8885),
    stomp: preset('STOMP over TCP.', port, 61613),
    stomps: preset('STOMP over TLS, once `tls.cert` is given.', port, 61614),
    amqp: preset('AMQP 1.0 and 0-9-1.', port, 5672),
    amqps: preset('AMQP 1.0 and 0-9-1 over TLS, once `tls.cert` is given.', port, 5671),
    xmpp: preset('XMPP, with STARTTLS once `tls.cert` is given.', port, 5222),
    xmpps: preset('XMPP over TLS from the first octet, once `tls.cert` is given.', port, 5223),
  }),
  listeners: list('Where the hub listens. Given: these instead of the usual ones of `ports`.', listener),
  tls,
  mqtt,
  coap,
  mqttsn,
  xmpp,
  store: group('Where sessions, queues and retained messages are kept.', {
    path: preset('The folder.', path, './waymeet-data'),
    durability: preset(
      '`full`: acknowledged means on disk. `relaxed`: it survives the process, not a power cut. `memory`: nothing is kept.',
      oneOf('full', 'relaxed', 'memory'),
      'full',
    ),
  }),
  auth,
  limits,
  bans,
  log: group('The log.', {
    level: preset(
      'The least important lines that are written.',
      oneOf('debug', 'info', 'warn', 'error', 'silent'),
      'info',
      LIVE,
    ),
    format: preset(
      '`auto` is pretty on a terminal and JSON elsewhere.',
      oneOf('auto', 'pretty', 'json'),
      'auto',
    ),
  }),
  sys: group('The hub about itself, under `$SYS/`.', {
    interval: preset("How often it is published; 'never' publishes nothing.", duration, '10s', LIVE),
  }),
  web: group('What web listeners serve.', {
    mqtt: preset('The path of MQTT over WebSocket.', text, '/mqtt'),
    deflate: preset(
      'Compress WebSocket messages for clients that offer it: smaller, at nine times the CPU.',
      flag,
      false,
    ),
    json: preset('The path of JSON over WebSocket.', text, '/waymeet'),
    page: preset('Serve the dashboard, with its test client.', flag, true),
    topics: preset('Serve messages over HTTP: `/topics`, `/subscribe`, `/request`, `/publish`.', flag, true),
    api: preset('Serve the admin API under `/api/v1`; the dashboard needs it.', flag, true),
    adminPassword: optional(
      'The password of `admin` in dashboard and API, or its argon2 hash. Unless said: none is asked on loopback with an open hub, else a random one is printed to the terminal once.',
      text,
      { secret: true },
    ),
    viewerPassword: optional('The password of `viewer`, who may look and change nothing.', text, {
      secret: true,
    }),
    coap: preset('The path of CoAP over WebSocket; clients expect no other.', text, '/.well-known/coap'),
    stomp: preset('The path of STOMP over WebSocket.', text, '/stomp'),
    amqp: preset('The path of AMQP 1.0 over WebSocket.', text, '/amqp'),
    xmpp: preset('The path of XMPP over WebSocket.', text, '/xmpp'),
    metrics: preset('Serve `/metrics` for Prometheus.', flag, true),
    health: preset('Serve `/health`, `/health/live` and `/health/ready`.', flag, true),
    origins: optional(
      'Web pages that may connect beside those of the hub itself, by origin such as `https://example.org`; `*` is all. On an open hub that only this machine reaches, also names of it beside `localhost`.',
      listOf(text),
    ),
  }),
});

export type Config = z.output<typeof schema>;
export type ListenerConfig = z.output<typeof listener>;
export type TlsConfig = z.output<typeof tls>;
export type AuthConfig = z.output<typeof auth>;
export type RuleConfig = z.output<typeof rule>;
export type MqttConfig = z.output<typeof mqtt>;
export type CoapConfig = z.output<typeof coap>;
export type MqttSnConfig = z.output<typeof mqttsn>;
export type XmppConfig = z.output<typeof xmpp>;

function list<S extends z.ZodObject>(saying: string, of: S, { live } = { live: false }) {
  return z.array(of).optional().register(fieldNotes, {
    about: saying,
    takes: 'a list',
    kind: 'list',
    live,
    secret: false,
    fallback: undefined,
  });
}

function about(field: z.ZodType): string {
  return fieldNotes.get(field)!.about;
}
