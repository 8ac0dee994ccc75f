// `waymeet pub`: publishes a message, a file, or each line of the input.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { PublishOptions } from '../client/client.ts';
import type { Qos, UserProperty } from '../contract/message.ts';
import { coapPub, isCoapResource } from './coap.ts';
import { type ConnectionFlags, connectClient, topicOfUrl } from './connection.ts';
import { EXIT, Failure, type Io, say } from './io.ts';

/** What is said with a message, in every command that sends one. */
export interface MessageFlags {
  message?: string;
  file?: string;
  null?: boolean;
  stdin?: boolean;
  qos?: Qos;
  contentType?: string;
  responseTopic?: string;
  correlation?: string;
  expiry?: number;
  userProperty?: string[];
  text?: boolean;
}

export interface PubFlags extends ConnectionFlags, MessageFlags {
  topic?: string;
  lines?: boolean;
  retain?: boolean;
  repeat?: number;
  quiet?: boolean;
}

/** Messages on their way at most. */
const MOST_WAITING = 1_024;

export async function pub(io: Io, flags: PubFlags): Promise<number> {
  if (isCoapResource(flags.url)) return coapPub(io, flags, source(io, flags));
  const topic = flags.topic ?? topicOfUrl(flags);
  if (topic === undefined) throw new Failure('no topic: give one with -t', EXIT.usage);
  const payloads = source(io, flags);
  const client = await connectClient(io, flags, flags.outbox === undefined ? {} : { reconnect: true });
  const options = { ...optionsOf(flags), qos: flags.qos ?? 0, retain: flags.retain === true };
  let unheard = 0;
  let failure: Error | undefined;
  const inFlight = new Set<Promise<void>>();
  try {
    for await (const payload of payloads) {
      const sending = client.publish(topic, payload, options).then(
        (outcome) => {
          if (outcome === 'unmatched') unheard++;
        },
        (why: Error) => {
          failure ??= why;
        },
      );
      inFlight.add(sending);
      void sending.then(() => inFlight.delete(sending));
      if (inFlight.size >= MOST_WAITING) await Promise.race(inFlight);
      if (failure !== undefined) break;
    }
    await Promise.all(inFlight);
    if (failure !== undefined) throw failure;
  } finally {
    await client.close();
  }
  if (unheard > 0 && !flags.quiet) say(io, `nobody has subscribed to '${topic}'`);
  return EXIT.fine;
}

async function* source(io: Io, flags: PubFlags): AsyncIterable<Uint8Array> {
  const encoder = new TextEncoder();
  if (flags.lines) {
    for await (const line of createInterface({ input: io.input, crlfDelay: Number.POSITIVE_INFINITY }))
      yield encoder.encode(line);
    return;
  }
  const payload = await payloadOf(io, flags);
  for (let i = 0; i < (flags.repeat ?? 1); i++) yield payload;
}

/** What `-m`, `-f`, `-n` or the input say. */
export async function payloadOf(io: Io, flags: MessageFlags): Promise<Uint8Array> {
  if (flags.null) return new Uint8Array(0);
  if (flags.message !== undefined) return new TextEncoder().encode(flags.message);
  if (flags.file !== undefined && flags.file !== '-') return readFileSync(resolve(io.folder, flags.file));
  const chunks: Uint8Array[] = [];
  for await (const chunk of io.input)
    chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Uint8Array));
  return Buffer.concat(chunks);
}

/** Fails when it is not clear what to publish. */
export function checkPub(flags: MessageFlags & { lines?: boolean }): void {
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
}

export function optionsOf(flags: MessageFlags): PublishOptions {
  const { text, contentType, responseTopic, correlation, expiry, userProperty } = flags;
  return {
    ...(text ? { text } : {}),
    ...(contentType === undefined ? {} : { contentType }),
    ...(responseTopic === undefined ? {} : { responseTopic }),
    ...(correlation === undefined ? {} : { correlation }),
    ...(expiry === undefined ? {} : { expiryMs: expiry * 1_000 }),
    ...(userProperty === undefined ? {} : { user: userProperty.map(propertyOf) }),
  };
}

function propertyOf(pair: string): UserProperty {
  const cut = pair.indexOf('=');
  if (cut < 1) throw new Failure(`'${pair}' is no user property: write name=value`, EXIT.usage);
  return { name: pair.slice(0, cut), value: pair.slice(cut + 1) };
}
