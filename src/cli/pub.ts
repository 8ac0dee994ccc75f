// `waymeet pub`: publishes a message, a file, or each line of the input.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Qos } from '../contract/message.ts';
import { type Properties, PUBACK } from '../protocol/mqtt/packet.ts';
import { coapPub, isCoap } from './coap.ts';
import { type ConnectionFlags, connectClient, topicOfUrl } from './connection.ts';
import { EXIT, Failure, type Io, say } from './io.ts';
import type { MqttClient } from './mqtt-client.ts';
import { explain } from './reasons.ts';

export interface PubFlags extends ConnectionFlags {
  topic?: string;
  message?: string;
  file?: string;
  null?: boolean;
  lines?: boolean;
  stdin?: boolean;
  qos: Qos;
  retain?: boolean;
  repeat?: number;
  contentType?: string;
  responseTopic?: string;
  correlation?: string;
  expiry?: number;
  userProperty?: string[];
  text?: boolean;
  quiet?: boolean;
}

export async function pub(io: Io, flags: PubFlags): Promise<number> {
  if (isCoap(flags.url)) return coapPub(io, flags, source(io, flags));
  const topic = flags.topic ?? topicOfUrl(flags);
  if (topic === undefined) throw new Failure('no topic: give one with -t', EXIT.usage);
  const payloads = source(io, flags);
  const client = await connectClient(io, flags);
  const properties = propertiesOf(flags);
  let unheard = 0;
  const inFlight = new Set<Promise<void>>();
  try {
    for await (const payload of payloads) {
      const sending = client
        .publish({ topic, payload, qos: flags.qos, retain: flags.retain === true, properties })
        .then((code) => {
          if (code >= 0x80)
            throw new Failure(`'${topic}' was refused: ${explain(flags.mqttVersion, PUBACK, code, {})}`);
          if (code === 0x10) unheard++;
        });
      if (flags.qos === 0) await sending;
      else await track(inFlight, sending, client);
    }
    await Promise.all(inFlight);
  } finally {
    await client.close();
  }
  if (unheard > 0 && !flags.quiet) say(io, `nobody has subscribed to '${topic}'`);
  return EXIT.fine;
}

/** Keeps many in flight when lines come fast; a failure of any ends it all. */
async function track(
  inFlight: Set<Promise<void>>,
  sending: Promise<void>,
  client: MqttClient,
): Promise<void> {
  const done = sending.finally(() => inFlight.delete(done));
  done.catch(() => {});
  inFlight.add(done);
  if (inFlight.size >= MOST_WAITING) await Promise.race([...inFlight, client.lost]);
}

const MOST_WAITING = 1_024;

async function* source(io: Io, flags: PubFlags): AsyncIterable<Uint8Array> {
  const encoder = new TextEncoder();
  if (flags.lines) {
    for await (const line of createInterface({ input: io.input, crlfDelay: Number.POSITIVE_INFINITY }))
      yield encoder.encode(line);
    return;
  }
  const payload = await one(io, flags);
  for (let i = 0; i < (flags.repeat ?? 1); i++) yield payload;
}

async function one(io: Io, flags: PubFlags): Promise<Uint8Array> {
  if (flags.null) return new Uint8Array(0);
  if (flags.message !== undefined) return new TextEncoder().encode(flags.message);
  if (flags.file !== undefined && flags.file !== '-') return readFileSync(resolve(io.folder, flags.file));
  const chunks: Uint8Array[] = [];
  for await (const chunk of io.input)
    chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Uint8Array));
  return Buffer.concat(chunks);
}

/** Fails when it is not clear what to publish. */
export function checkPub(flags: PubFlags): void {
  const ways = [
    flags.message !== undefined,
    flags.file !== undefined,
    flags.null,
    flags.lines,
    flags.stdin,
  ].filter(Boolean);
  if (ways.length !== 1) {
    throw new Failure(
      'say once what to publish: -m text, -f file, -s (all of the input), -l (its lines) or -n (nothing)',
      EXIT.usage,
    );
  }
  if (propertiesWritten(flags) && flags.mqttVersion < 5) {
    throw new Failure('message properties need MQTT 5: leave out -V', EXIT.usage);
  }
}

function propertiesWritten(flags: PubFlags): boolean {
  return Object.keys(propertiesOf(flags)).length > 0;
}

function propertiesOf(flags: PubFlags): Properties {
  const p: Properties = {};
  if (flags.text) p.payloadFormatIndicator = 1;
  if (flags.contentType !== undefined) p.contentType = flags.contentType;
  if (flags.responseTopic !== undefined) p.responseTopic = flags.responseTopic;
  if (flags.correlation !== undefined) p.correlationData = new TextEncoder().encode(flags.correlation);
  if (flags.expiry !== undefined) p.messageExpiryInterval = flags.expiry;
  if (flags.userProperty !== undefined) {
    p.userProperty = flags.userProperty.map((pair) => {
      const cut = pair.indexOf('=');
      if (cut < 1) throw new Failure(`'${pair}' is no user property: write name=value`, EXIT.usage);
      return [pair.slice(0, cut), pair.slice(cut + 1)];
    });
  }
  return p;
}
