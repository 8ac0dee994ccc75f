// `waymeet req`, `respond` and `survey`: asking, answering, and asking everybody.

import { survey as ask, type SurveyAnswer } from '../client/patterns/survey.ts';
import type { Qos } from '../contract/message.ts';
import { type ConnectionFlags, connectClient, topicOfUrl } from './connection.ts';
import { asJson, type FormatFlags, formatter } from './format.ts';
import { EXIT, Failure, type Io, say } from './io.ts';
import { type MessageFlags, optionsOf, payloadOf } from './pub.ts';
import { runFor } from './shell.ts';

export interface RequestFlags extends ConnectionFlags, MessageFlags, FormatFlags {
  topic?: string;
  /** Seconds. */
  wait?: number;
  /** All parts of an answer that comes in several. */
  stream?: boolean;
  /** Ids of those whose answer is awaited, apart by commas. */
  expect?: string;
}

const DEFAULT_WAIT_SECONDS = 5;

function topicOf(flags: RequestFlags | RespondFlags): string {
  const topic = flags.topic ?? topicOfUrl(flags);
  if (topic === undefined) throw new Failure('no topic: give one with -t', EXIT.usage);
  return topic;
}

function questionOf(flags: RequestFlags) {
  const { responseTopic: _, correlation: __, ...options } = optionsOf(flags);
  const timeoutMs = (flags.wait ?? DEFAULT_WAIT_SECONDS) * 1_000;
  return { ...options, timeoutMs, ...(flags.qos === undefined ? {} : { qos: flags.qos }) };
}

/** Prints the answer. */
export async function req(io: Io, flags: RequestFlags): Promise<number> {
  const topic = topicOf(flags);
  const format = formatter(flags);
  const payload = await payloadOf(io, flags);
  const client = await connectClient(io, flags);
  try {
    const parts = client.requestMany(topic, payload, questionOf(flags));
    for await (const answer of parts) {
      io.output.write(format(answer, new Date()));
      if (!flags.stream) break;
    }
    return EXIT.fine;
  } finally {
    await client.close();
  }
}

/** Prints each answer with who gave it, and says who gave none. */
export async function survey(io: Io, flags: RequestFlags): Promise<number> {
  const topic = topicOf(flags);
  const format = formatter(flags);
  const payload = await payloadOf(io, flags);
  const expected = flags.expect?.split(',').filter(Boolean) ?? [];
  const client = await connectClient(io, flags);
  try {
    const { answers, missing } = await ask(client, topic, payload, { ...questionOf(flags), expected });
    for (const answer of answers) {
      if (flags.json) io.output.write(jsonOf(answer));
      else {
        io.output.write(`${answer.from} `);
        io.output.write(format(answer.message, new Date()));
      }
    }
    if (missing.length > 0) say(io, `no answer from ${missing.join(', ')}`);
    else if (answers.length === 0) say(io, 'nobody answered');
    return missing.length > 0 || answers.length === 0 ? EXIT.timeout : EXIT.fine;
  } finally {
    await client.close();
  }
}

function jsonOf({ from, failed, message }: SurveyAnswer): string {
  return `${JSON.stringify({ from, failed: failed || undefined, ...asJson(message, new Date()) })}\n`;
}

export interface RespondFlags extends ConnectionFlags {
  topic?: string;
  qos?: Qos;
  message?: string;
  exec?: string;
  echo?: boolean;
  count?: number;
}

/** Answers until it is stopped. */
export async function respond(io: Io, flags: RespondFlags): Promise<number> {
  const topic = topicOf(flags);
  const ways = [flags.message !== undefined, flags.exec !== undefined, flags.echo].filter(Boolean);
  if (ways.length !== 1)
    throw new Failure('say once how to answer: -m text, --exec command, or --echo', EXIT.usage);
  const client = await connectClient(io, flags, { reconnect: true });
  try {
    const desk = await client.respond(
      topic,
      (request, signal) => {
        if (flags.message !== undefined) return flags.message;
        return flags.exec === undefined ? request.payload : runFor(io, flags.exec, request, signal);
      },
      {
        ...(flags.qos === undefined ? {} : { qos: flags.qos }),
        ...(flags.count === undefined ? {} : { most: flags.count }),
      },
    );
    if (io.errors.isTTY) say(io, `answers at ${topic}`);
    return await Promise.race([desk.over.then(() => EXIT.fine), io.stopAsked().then(() => EXIT.fine)]);
  } finally {
    await client.close();
  }
}
