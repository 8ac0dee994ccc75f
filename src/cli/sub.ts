// `waymeet sub`: prints the messages of one or more topic filters.

import type { Qos } from '../contract/message.ts';
import { type Publish, SUBACK, type SubscribeEntry } from '../protocol/mqtt/packet.ts';
import { hasWildcard } from '../protocol/mqtt/topic.ts';
import { coapSub, isCoap } from './coap.ts';
import { type ConnectionFlags, connectClient, topicOfUrl } from './connection.ts';
import { type FormatFlags, formatter } from './format.ts';
import { EXIT, Failure, type Io, say } from './io.ts';
import { explain } from './reasons.ts';

export interface SubFlags extends ConnectionFlags, FormatFlags {
  topic?: string[];
  filterOut?: string[];
  qos: Qos;
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
  if (isCoap(flags.url)) return subCoap(io, flags);
  const fromUrl = topicOfUrl(flags);
  const filters = flags.topic ?? (fromUrl === undefined ? [] : [fromUrl]);
  if (filters.length === 0) throw new Failure("no topic filter: give one with -t, '#' for all", EXIT.usage);
  const format = formatter(flags);
  const unwanted = (flags.filterOut ?? []).map(matcher);
  const client = await connectClient(io, flags);
  let left = flags.count ?? Number.POSITIVE_INFINITY;
  const counted = new Promise<number>((done) => {
    client.onMessage = (m) => {
      if (left === 0 || unwanted.some((matches) => matches(m.topic))) return;
      if (flags.noRetained && m.retain) return;
      if (flags.retainedOnly && !m.retain) return done(EXIT.fine);
      io.output.write(format(m, new Date()));
      if (--left === 0) done(EXIT.fine);
    };
  });
  // Before the subscription: nothing asked for later may be missed by then.
  const ends = [counted, client.lost, io.stopAsked().then(() => EXIT.fine), timeout(flags.wait)];
  try {
    const entries = filters.map((filter) => entryOf(filter, flags));
    const answer = await Promise.race([client.subscribe(entries), ...ends]);
    if (typeof answer === 'number') return answer;
    const codes = answer;
    const refused = codes.flatMap((code, i) =>
      code >= 0x80 ? [`'${filters[i]}' was refused: ${explain(5, SUBACK, code, {})}`] : [],
    );
    if (refused.length > 0) throw new Failure(refused.join('\n'));
    if (!flags.quiet && io.errors.isTTY) say(io, `subscribed to ${filters.join(', ')}`);
    if (flags.exitAfterSubscribe) return EXIT.fine;
    return await Promise.race(ends);
  } finally {
    await client.close();
  }
}

/** The same over CoAP. */
function subCoap(io: Io, flags: SubFlags): Promise<number> {
  const format = formatter(flags);
  const unwanted = (flags.filterOut ?? []).map(matcher);
  let left = flags.count ?? Number.POSITIVE_INFINITY;
  const hear = (m: Publish): boolean => {
    if (left === 0 || unwanted.some((matches) => matches(m.topic))) return false;
    if (flags.noRetained && m.retain) return false;
    if (flags.retainedOnly && !m.retain) return true;
    io.output.write(format(m, new Date()));
    return --left === 0;
  };
  return coapSub(io, flags, hear, [io.stopAsked().then(() => EXIT.fine), timeout(flags.wait)]);
}

function timeout(seconds: number | undefined): Promise<number> {
  return new Promise((done) => {
    if (seconds !== undefined) setTimeout(() => done(EXIT.timeout), seconds * 1_000).unref();
  });
}

function entryOf(filter: string, flags: SubFlags): SubscribeEntry {
  return {
    filter,
    qos: flags.qos,
    noLocal: flags.noLocal === true,
    retainAsPublished: flags.retainAsPublished === true,
    retainHandling: flags.noRetained && flags.mqttVersion === 5 ? 2 : 0,
  };
}

/** Whether a topic matches a filter; for `-T`, which drops messages here. */
export function matcher(filter: string): (topic: string) => boolean {
  if (!hasWildcard(filter)) return (topic) => topic === filter;
  const wanted = filter.split('/');
  return (topic) => {
    const levels = topic.split('/');
    // Topics that start with $ are not matched by a leading wildcard [MQTT5-4.7.2-1].
    if (topic.startsWith('$') && (wanted[0] === '+' || wanted[0] === '#')) return false;
    for (const [i, level] of wanted.entries()) {
      if (level === '#') return true;
      if (i >= levels.length || (level !== '+' && level !== levels[i])) return false;
    }
    return wanted.length === levels.length;
  };
}
