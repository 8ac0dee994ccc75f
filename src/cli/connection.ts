// The flags that pub, sub and bench share: which broker, who comes, and how; spelled as mosquitto's clients spell them.

import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Qos } from '../contract/message.ts';
import type { Level, Properties, Will } from '../protocol/mqtt/packet.ts';
import { dial, type Target } from './dial.ts';
import { EXIT, Failure, type Io } from './io.ts';
import { MqttClient } from './mqtt-client.ts';

export interface ConnectionFlags {
  url?: string;
  host: string;
  port?: number;
  unix?: string;
  ws?: string | boolean;
  tls?: boolean;
  cafile?: string;
  cert?: string;
  key?: string;
  insecure?: boolean;
  username?: string;
  pw?: string;
  passwordFile?: string;
  id?: string;
  idPrefix?: string;
  keepalive: number;
  mqttVersion: Level;
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
        'mqtt://user@host:port/topic; also mqtts, ws, wss, unix, coap, coap+tcp, coaps+tcp',
      ),
    )
    .addOption(new Option('-h, --host <host>', 'the broker').default('localhost'))
    .addOption(new Option('-p, --port <port>', 'its port; 1883, with TLS 8883').argParser(whole(1, 65_535)))
    .option('--unix <path>', 'over a unix socket')
    .option('--ws [path]', 'over WebSocket; the path is /mqtt unless said')
    .option('--tls', 'over TLS')
    .option('--cafile <file>', 'trust this authority (PEM); means --tls')
    .option('--cert <file>', 'the client certificate (PEM)')
    .option('--key <file>', 'its private key (PEM)')
    .option('--insecure', 'accept any certificate')
    .optionsGroup('Who:')
    .option('-u, --username <name>', 'the user name; else WAYMEET_USERNAME')
    .option('-P, --pw <password>', 'the password, seen by everybody on this machine: better WAYMEET_PASSWORD')
    .option('--password-file <file>', 'the password is the first line of this file; - asks for it')
    .option('-i, --id <id>', 'the client id; else the broker or this program makes one')
    .option('-I, --id-prefix <prefix>', 'the client id is this and the process id')
    .optionsGroup('How:')
    .addOption(
      new Option('-k, --keepalive <seconds>', 'keep-alive time').argParser(whole(0, 65_535)).default(60),
    )
    .addOption(
      new Option('-V, --mqtt-version <version>', '5, 311 or 31').argParser(level).default(5 as Level, '5'),
    )
    .option('-c, --disable-clean-session', 'keep the session; needs --id')
    .addOption(
      new Option('-x, --session-expiry <seconds>', 'how long the session is kept (MQTT 5)').argParser(
        whole(0, 4_294_967_295),
      ),
    )
    .optionsGroup('Will:')
    .option('--will-topic <topic>', 'publish there when this client is lost')
    .option('--will-payload <text>', 'what')
    .addOption(new Option('--will-qos <qos>', 'at which QoS').argParser(qos).default(0))
    .option('--will-retain', 'and keep it as the last value')
    .addOption(
      new Option('--will-delay <seconds>', 'wait so long (MQTT 5)').argParser(whole(0, 4_294_967_295)),
    )
    .optionsGroup('Options:');
}

/** The topic that stood in `--url`, if any. */
export function topicOfUrl(flags: ConnectionFlags): string | undefined {
  if (flags.url === undefined) return undefined;
  const url = parseUrl(flags.url);
  return /^(ws|unix|mqtt\+unix)/.test(url.protocol) || url.pathname.length < 2
    ? undefined
    : decodeURIComponent(url.pathname.slice(1));
}

/** Connects and logs in. */
export async function connectClient(io: Io, flags: ConnectionFlags): Promise<MqttClient> {
  if (flags.disableCleanSession && flags.id === undefined) {
    throw new Failure('a session is kept under a client id: give -c an --id', EXIT.usage);
  }
  const target = targetOf(flags);
  const { url } = target;
  const username = flags.username ?? (decodeURIComponent(url.username) || io.environment.WAYMEET_USERNAME);
  const password = await passwordOf(io, flags, decodeURIComponent(url.password));
  const stream = await dial(target);
  return MqttClient.connect(stream, {
    level: flags.mqttVersion,
    clientId: clientId(flags),
    clean: flags.disableCleanSession !== true,
    keepAliveSeconds: flags.keepalive,
    username,
    password,
    will: willOf(flags),
    properties: flags.mqttVersion === 5 ? sessionProperties(flags) : {},
  });
}

function targetOf(flags: ConnectionFlags): Target {
  return {
    url: flags.url === undefined ? urlOf(flags) : parseUrl(flags.url),
    ca: flags.cafile,
    cert: flags.cert,
    key: flags.key,
    insecure: flags.insecure === true,
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
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new Failure(`'${text}' is no URL: write mqtt://host:1883`, EXIT.usage);
  }
  if (!['mqtt:', 'mqtts:', 'ws:', 'wss:', 'unix:', 'mqtt+unix:'].includes(url.protocol)) {
    throw new Failure(
      `'${url.protocol}' is no way to a broker: write mqtt, mqtts, ws, wss or unix`,
      EXIT.usage,
    );
  }
  return url;
}

async function passwordOf(io: Io, flags: ConnectionFlags, inUrl: string): Promise<string | undefined> {
  if (flags.pw !== undefined) return flags.pw;
  if (flags.passwordFile === '-') return (await import('./prompt.ts')).askSecret(io, 'Password: ');
  if (flags.passwordFile !== undefined) return readFileSync(flags.passwordFile, 'utf8').split(/\r?\n/, 1)[0]!;
  return inUrl || io.environment.WAYMEET_PASSWORD;
}

function clientId(flags: ConnectionFlags): string {
  if (flags.id !== undefined) return flags.id;
  if (flags.idPrefix !== undefined) return `${flags.idPrefix}${process.pid}`;
  // MQTT 3.1 has no empty client ids [MQTT31-3.1].
  return flags.mqttVersion === 3 ? `waymeet-${process.pid}` : '';
}

function sessionProperties(flags: ConnectionFlags): Properties {
  const expiry = flags.sessionExpiry ?? (flags.disableCleanSession ? 4_294_967_295 : undefined);
  return expiry === undefined ? {} : { sessionExpiryInterval: expiry };
}

function willOf(flags: ConnectionFlags): Will | undefined {
  if (flags.willTopic === undefined) return undefined;
  return {
    topic: flags.willTopic,
    payload: new TextEncoder().encode(flags.willPayload ?? ''),
    qos: flags.willQos,
    retain: flags.willRetain === true,
    properties:
      flags.willDelay === undefined || flags.mqttVersion < 5 ? {} : { willDelayInterval: flags.willDelay },
  };
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

function level(text: string): Level {
  const known: Readonly<Record<string, Level>> = {
    '5': 5,
    mqttv5: 5,
    '5.0': 5,
    '311': 4,
    mqttv311: 4,
    '3.1.1': 4,
    '4': 4,
    '31': 3,
    mqttv31: 3,
    '3.1': 3,
    '3': 3,
  };
  const found = known[text.toLowerCase()];
  if (found === undefined) throw new InvalidArgumentError('Write 5, 311 or 31.');
  return found;
}
