// `waymeet sub`: prints the messages of one or more topic filters.

import type { Client } from '../client/client.ts';
import { matches } from '../client/match.ts';
import type { IncomingMessage } from '../client/message.ts';
import type { SubscribeOptions, Subscription } from '../client/subscription.ts';
import type { Qos } from '../contract/message.ts';
import { coapSub, isCoapResource } from './coap.ts';
import { type ConnectionFlags, connectClient, topicOfUrl } from './connection.ts';
import { type FormatFlags, type Formatter, formatter, type Shown } from './format.ts';
import { EXIT, Failure, type Io, say } from './io.ts';

export interface SubFlags extends ConnectionFlags, FormatFlags {
  topic?: string[];
  filterOut?: string[];
  qos?: Qos;
  count?: number;
  wait?: number;
  noRetained?: boolean;
  retainedOnly?: boolean;
  noLocal?: boolean;
  retainAsPublished?: boolean;
  exitAfterSubscribe?: boolean;
  quiet?: boolean;
}

export async function sub(io: Io, flags: SubFlags): Promise<number> {
  const printer = new Printer(io, flags);
  const ends = [io.stopAsked().then(() => EXIT.fine), timeout(flags.wait)];
  if (isCoapResource(flags.url)) return coapSub(io, flags, (m) => printer.hear(m), ends);
  const fromUrl = topicOfUrl(flags);
  const filters = flags.topic ?? (fromUrl === undefined ? [] : [fromUrl]);
  if (filters.length === 0) throw new Failure("no topic filter: give one with -t, '#' for all", EXIT.usage);
  const client = await connectClient(io, flags, { reconnect: true });
  client.watch((event) => {
    if (flags.quiet || event.kind === 'closed') return;
    if (event.kind === 'lost') say(io, `lost the connection${event.error ? `: ${event.error.reason}` : ''}`);
    if (event.kind === 'connected') say(io, `connected to ${event.url}`);
  });
  try {
    const subscribed = subscribeAll(client, filters, flags);
    const answer = await Promise.race([subscribed, ...ends]);
    if (typeof answer === 'number') return answer;
    if (!flags.quiet && io.errors.isTTY) say(io, `subscribed to ${filters.join(', ')}`);
    if (flags.exitAfterSubscribe) return EXIT.fine;
    return await Promise.race([...answer.map((s) => printer.print(s)), ...ends]);
  } finally {
    await client.close();
  }
}

async function subscribeAll(
  client: Client,
  filters: readonly string[],
  flags: SubFlags,
): Promise<Subscription[]> {
  const made: Subscription[] = [];
  const refused: Error[] = [];
  for (const filter of filters) {
    try {
      made.push(await client.subscribe(filter, optionsOf(client, flags)));
    } catch (why) {
      refused.push(why as Error);
    }
  }
  if (refused.length === 1) throw refused[0]!;
  if (refused.length > 1) throw new Failure(refused.map((why) => why.message).join('\n'));
  return made;
}

function optionsOf(client: Client, flags: SubFlags): SubscribeOptions {
  return {
    qos: flags.qos ?? 0,
    ...(flags.noLocal ? { noLocal: true } : {}),
    ...(flags.retainAsPublished ? { retainAsPublished: true } : {}),
    // Where the other side cannot leave them out, they are not printed.
    ...(flags.noRetained && client.ability.retainedChoice ? { retained: 'none' as const } : {}),
  };
}

function timeout(seconds: number | undefined): Promise<number> {
  return new Promise((done) => {
    if (seconds !== undefined) setTimeout(() => done(EXIT.timeout), seconds * 1_000).unref();
  });
}

/** Prints what is wanted, until there was enough. */
class Printer {
  private readonly io: Io;
  private readonly flags: SubFlags;
  private readonly format: Formatter;
  private readonly unwanted: readonly string[];
  private left: number;

  constructor(io: Io, flags: SubFlags) {
    this.io = io;
    this.flags = flags;
    this.format = formatter(flags);
    this.unwanted = flags.filterOut ?? [];
    this.left = flags.count ?? Number.POSITIVE_INFINITY;
  }

  /** Resolves to the exit code once there was enough. */
  async print(s: Subscription): Promise<number> {
    let m: IncomingMessage | undefined;
    do m = await s.next();
    while (m !== undefined && !this.hear(m));
    return EXIT.fine;
  }

  /** Whether it was the last one. */
  hear(m: Shown): boolean {
    if (this.left === 0 || this.unwanted.some((filter) => matches(filter, m.topic))) return false;
    if (this.flags.noRetained && m.retained) return false;
    if (this.flags.retainedOnly && !m.retained) return true;
    this.io.output.write(this.format(m, new Date()));
    return --this.left === 0;
  }
}
