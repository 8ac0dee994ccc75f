// The flags that pub, sub and bench share: which broker, who comes, and how; spelled as mosquitto's clients spell them.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Client } from '../client/client.ts';
import type { ConnectOptions, TlsOptions, WillOptions } from '../client/options.ts';
import type { Qos } from '../contract/message.ts';
import { EXIT, Failure, type Io } from './io.ts';

export interface ConnectionFlags {
  url?: string;
  also?: string[];
  host: string;
  port?: number;
  unix?: string;
  ws?: string | boolean;
  tls?: boolean;
  cafile?: string;
  cert?: string;
  key?: string;
  insecure?: boolean;
  psk?: string;
  pskIdentity?: string;
  oscore?: string;
  scram?: boolean;
  outbox?: string;
  username?: string;
  pw?: string;
  passwordFile?: string;
  id?: string;
  idPrefix?: string;
  keepalive: number;
  mqttVersion: string;
  disableCleanSession?: boolean;
  sessionExpiry?: number;
  willTopic?: string;
  willPayload?: string;
  willQos: Qos;
  willRetain?: boolean;
  willDelay?: number;
}

/** Adds the flags to a command. */
export function withConnection(command: Command): Command {
  return command
    .optionsGroup('Where:')
    .addOption(
      new Option(
        '-L, --url <url>',
        'mqtt://user@host:port/topic; also mqtts ws wss unix mqttsn coap coaps coap+tcp http https json+ws …: docs/client.md',
      ),
    )
    .addOption(new Option('--also <url>', 'another address, if the first does not answer').argParser(gather))
    .addOption(new Option('-h, --host <host>', 'the broker').default('localhost'))
    .addOption(new Option('-p, --port <port>', 'its port; 1883, with TLS 8883').argParser(whole(1, 65_535)))
    .option('--unix <path>', 'over a unix socket')
    .option('--ws [path]', 'over WebSocket; the path is /mqtt unless said')
    .option('--tls', 'over TLS')
    .option('--cafile <file>', 'trust this authority (PEM); means --tls')
    .option('--cert <file>', 'the client certificate (PEM)')
    .option('--key <file>', 'its private key (PEM)')
    .option('--insecure', 'accept any certificate')
    .option('--psk <hex>', 'DTLS: the key that both sides know')
    .option('--psk-identity <name>', 'and whose it is')
    .option('--oscore <file>', 'CoAP: seal requests with the context in this file')
    .optionsGroup('Who:')
    .option('-u, --username <name>', 'the user name; else WAYMEET_USERNAME')
    .option('-P, --pw <password>', 'the password, seen by everybody on this machine: better WAYMEET_PASSWORD')
    .option('--password-file <file>', 'the password is the first line of this file; - asks for it')
    .option('--scram', 'prove the password with SCRAM-SHA-256 instead of showing it')
    .option('-i, --id <id>', 'the client id; else the broker or this program makes one')
    .option('-I, --id-prefix <prefix>', 'the client id is this and the process id')
    .optionsGroup('How:')
    .addOption(
      new Option('-k, --keepalive <seconds>', 'keep-alive time').argParser(whole(0, 65_535)).default(60),
    )
    .addOption(new Option('-V, --mqtt-version <version>', '5, 311 or 31').argParser(version).default('5'))
    .option('-c, --disable-clean-session', 'keep the session; needs --id')
    .addOption(
      new Option('-x, --session-expiry <seconds>', 'how long the session is kept').argParser(
        whole(0, 4_294_967_295),
      ),
    )
    .optionsGroup('Will:')
    .option('--will-topic <topic>', 'publish there when this client is lost')
    .option('--will-payload <text>', 'what')
    .addOption(new Option('--will-qos <qos>', 'at which QoS').argParser(qos).default(0))
    .option('--will-retain', 'and keep it as the last value')
    .addOption(new Option('--will-delay <seconds>', 'wait so long').argParser(whole(0, 4_294_967_295)))
    .optionsGroup('Options:');
}

/** The topic that stood in `--url`, if any: CoAP and HTTP have theirs below a path of their own. */
export function topicOfUrl(flags: ConnectionFlags): string | undefined {
  if (flags.url === undefined) return undefined;
  const url = parseUrl(flags.url);
  if (/^(?:\w+\+)?(?:wss?|unix):/.test(url.protocol)) return undefined;
  const path = decodeURIComponent(url.pathname);
  if (url.protocol.startsWith('coap')) return path.startsWith('/t/') ? path.slice(3) : undefined;
  if (url.protocol.startsWith('http')) return path.startsWith('/topics/') ? path.slice(8) : undefined;
  return path.length < 2 ? undefined : path.slice(1);
}

/** What is left is where the hub's web port is. */
function withoutTopic(url: URL): void {
  if (url.protocol.startsWith('http') && url.pathname.startsWith('/topics/')) url.pathname = '/';
}

/** Connects and logs in. Rejects with WaymeetError. */
export async function connectClient(
  io: Io,
  flags: ConnectionFlags,
  more: ConnectOptions = {},
): Promise<Client> {
  const { urls, options } = await connectionOf(io, flags);
  // A hub that starts knows these flags too, and is nobody's client: its memory is not for the client's side of every protocol.
  const { connect } = await import('../client/connect.ts');
  return connect(urls, { ...options, ...more });
}

/** What the flags say. */
export async function connectionOf(
  io: Io,
  flags: ConnectionFlags,
): Promise<{ urls: string[]; options: ConnectOptions }> {
  if (flags.disableCleanSession && flags.id === undefined) {
    throw new Failure('a session is kept under a client id: give -c an --id', EXIT.usage);
  }
  const urls = [
    flags.url === undefined ? urlOf(flags) : parseUrl(flags.url),
    ...(flags.also ?? []).map(parseUrl),
  ];
  for (const url of urls) withoutTopic(url);
  const first = urls[0]!;
  const username = flags.username ?? (decodeURIComponent(first.username) || io.environment.WAYMEET_USERNAME);
  const password = await passwordOf(io, flags, decodeURIComponent(first.password));
  const id = flags.id ?? (flags.idPrefix === undefined ? undefined : `${flags.idPrefix}${process.pid}`);
  return {
    urls: urls.map((url) => url.href),
    options: {
      ...(id === undefined ? {} : { clientId: id }),
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(flags.scram ? { sasl: 'SCRAM-SHA-256' as const } : {}),
      ...sessionOf(flags),
      ...(flags.outbox === undefined ? {} : { outbox: { at: resolve(io.folder, flags.outbox) } }),
      keepAliveMs: flags.keepalive * 1_000,
      ...(flags.willTopic === undefined ? {} : { will: willOf(flags, flags.willTopic) }),
      tls: tlsOf(flags),
      ...(flags.oscore === undefined
        ? {}
        : { oscore: (await import('./oscore.ts')).oscoreOptions(flags.oscore) }),
      settings: settingsOf(flags, first),
      reconnect: false,
    },
  };
}

/** MQTT's own: the version, and that whoever writes `$queue/…` here means it. */
function settingsOf(flags: ConnectionFlags, url: URL): Record<string, string> {
  return /^(?:mqtts?|wss?|unix|mqtt\+unix):$/.test(url.protocol)
    ? { version: flags.mqttVersion, queues: 'true' }
    : {};
}

function sessionOf(flags: ConnectionFlags): ConnectOptions {
  const { sessionExpiry, disableCleanSession } = flags;
  if (sessionExpiry !== undefined)
    return { clean: disableCleanSession !== true, sessionExpiryMs: sessionExpiry * 1_000 };
  return disableCleanSession ? { clean: false } : {};
}

export function tlsOf(flags: ConnectionFlags): TlsOptions {
  const { cafile, cert, key, insecure, psk, pskIdentity } = flags;
  return {
    ...(cafile === undefined ? {} : { ca: readFileSync(cafile) }),
    ...(cert === undefined ? {} : { cert: readFileSync(cert) }),
    ...(key === undefined ? {} : { key: readFileSync(key) }),
    ...(insecure === undefined ? {} : { insecure }),
    ...(psk === undefined
      ? {}
      : { psk: { identity: pskIdentity ?? '', key: new Uint8Array(Buffer.from(psk, 'hex')) } }),
  };
}

function urlOf(flags: ConnectionFlags): URL {
  if (flags.unix !== undefined) return new URL(`unix://${encodeURI(flags.unix)}`);
  const tls = flags.tls || flags.cafile !== undefined || flags.insecure;
  const host = flags.host.includes(':') ? `[${flags.host}]` : flags.host;
  if (flags.ws) {
    const path = typeof flags.ws === 'string' ? flags.ws : '/mqtt';
    return new URL(`${tls ? 'wss' : 'ws'}://${host}:${flags.port ?? (tls ? 8443 : 8080)}${path}`);
  }
  return new URL(`${tls ? 'mqtts' : 'mqtt'}://${host}:${flags.port ?? (tls ? 8883 : 1883)}`);
}

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw new Failure(`'${text}' is no URL: write mqtt://host:1883`, EXIT.usage);
  }
}

async function passwordOf(io: Io, flags: ConnectionFlags, inUrl: string): Promise<string | undefined> {
  if (flags.pw !== undefined) return flags.pw;
  if (flags.passwordFile === '-') return (await import('./prompt.ts')).askSecret(io, 'Password: ');
  if (flags.passwordFile !== undefined) return readFileSync(flags.passwordFile, 'utf8').split(/\r?\n/, 1)[0]!;
  return inUrl || io.environment.WAYMEET_PASSWORD;
}

function willOf(flags: ConnectionFlags, topic: string): WillOptions {
  return {
    topic,
    payload: flags.willPayload ?? '',
    qos: flags.willQos,
    retain: flags.willRetain === true,
    ...(flags.willDelay === undefined ? {} : { delayMs: flags.willDelay * 1_000 }),
  };
}

/** Gathers a flag that may be given more than once. */
export function gather(value: string, before: string[] = []): string[] {
  return [...before, value];
}

export function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (!Number.isInteger(n) || n < least || n > most) {
      throw new InvalidArgumentError(`Write a whole number from ${least} to ${most}.`);
    }
    return n;
  };
}

export function qos(text: string): Qos {
  if (text !== '0' && text !== '1' && text !== '2') throw new InvalidArgumentError('Write 0, 1 or 2.');
  return Number(text) as Qos;
}

function version(text: string): string {
  const known: Readonly<Record<string, string>> = {
    '5': '5',
    mqttv5: '5',
    '5.0': '5',
    '311': '3.1.1',
    mqttv311: '3.1.1',
    '3.1.1': '3.1.1',
    '4': '3.1.1',
    '31': '3.1',
    mqttv31: '3.1',
    '3.1': '3.1',
    '3': '3.1',
  };
  const found = known[text.toLowerCase()];
  if (found === undefined) throw new InvalidArgumentError('Write 5, 311 or 31.');
  return found;
}
