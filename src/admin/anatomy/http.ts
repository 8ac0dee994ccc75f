// What a trace shows of HTTP: requests, answers and events, line by line; what a client proves itself with is starred. [RFC9112-2.1]

import { type Dissected, type Dissector, type Field, shown, starred } from './dissected.ts';

const CR = 0x0d;
const LF = 0x0a;
const MAX_TOPICS = 1_000;
/** Fields that hold what a client proves itself with. */
const SECRETS: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
]);
const latin1 = new TextDecoder('latin1');
const utf8 = new TextDecoder();

/** One request and what answers it: the answer has the request's topic. */
export class HttpDissector implements Dissector {
  private asked: Pick<Dissected, 'topic' | 'topics'> = {};

  /** Requests, answers and events come whole. */
  length(_bytes: Uint8Array, start: number, end: number): number {
    return end - start;
  }

  dissect(packet: Uint8Array, direction: 'in' | 'out'): Dissected {
    const stop = lineEnd(packet, 0);
    const first = latin1.decode(packet.subarray(0, stop));
    if (direction === 'in') return this.request(packet, first, stop);
    const status = /^HTTP\/1\.\d (\d{3}.*)$/.exec(first);
    return status === null
      ? this.chunk(packet, stop)
      : { ...this.head(packet, status[1]!, stop), ...this.asked };
  }

  private request(packet: Uint8Array, first: string, stop: number): Dissected {
    const [, name = 'request', target = ''] = /^(\S+) (\S+)/.exec(first) ?? [];
    const dissected = this.head(packet, name, stop);
    const topic = topicIn(target);
    const topics = target === '/publish' ? topicsIn(dissected.body) : undefined;
    this.asked = { ...(topic !== undefined && { topic }), ...(topics !== undefined && { topics }) };
    return { ...dissected, ...this.asked };
  }

  /** Start line, fields and body. */
  private head(packet: Uint8Array, name: string, stop: number): Dissected & { readonly body: Uint8Array } {
    const fields: Field[] = [
      { name: 'start line', value: shown(packet.subarray(0, stop)), from: 0, to: stop },
    ];
    let octets = packet;
    let at = next(packet, stop);
    while (at < packet.length) {
      const end = lineEnd(packet, at);
      if (end === at) break;
      const line = latin1.decode(packet.subarray(at, end));
      const colon = line.indexOf(':');
      const field = line.slice(0, colon);
      const secret = SECRETS.has(field.toLowerCase());
      if (secret) octets = starred(octets, at + colon + 1, end);
      const value = secret ? 'not shown' : line.slice(colon + 1).trim();
      fields.push({ name: field, value, from: at, to: end });
      at = next(packet, end);
    }
    const from = next(packet, at);
    const body = packet.subarray(from);
    if (body.length > 0) fields.push({ name: 'body', value: shown(body), from, to: packet.length });
    return { name, fields: touching(fields, packet.length), octets, body };
  }

  /** A piece of an answer without end: an event, or the sign of life. */
  private chunk(packet: Uint8Array, stop: number): Dissected {
    const from = next(packet, stop);
    const fields: Field[] = [
      { name: 'chunk size', value: shown(packet.subarray(0, stop)), from: 0, to: stop },
    ];
    let topic: string | undefined;
    for (let at = from; at < packet.length; ) {
      const end = lineEnd(packet, at);
      const line = utf8.decode(packet.subarray(at, end));
      const colon = line.indexOf(':');
      if (colon >= 0) {
        const name = line.slice(0, colon) || 'comment';
        fields.push({ name, value: shown(packet.subarray(at + colon + 1, end)).trim(), from: at, to: end });
        if (name === 'data') [topic] = topicsIn(packet.subarray(at + colon + 1, end));
      }
      at = next(packet, end);
    }
    const name = fields.length === 1 ? 'end' : fields[1]!.name === 'comment' ? 'sign of life' : 'event';
    return {
      name,
      fields: touching(fields, packet.length),
      octets: packet,
      ...(topic !== undefined && { topic }),
    };
  }
}

/** Line ends, and the empty line, belong to what stands before them. */
function touching(fields: readonly Field[], end: number): Field[] {
  return fields.map((field, i) => ({ ...field, to: fields[i + 1]?.from ?? end }));
}

function lineEnd(octets: Uint8Array, at: number): number {
  const lf = octets.indexOf(LF, at);
  if (lf < 0) return octets.length;
  return lf > at && octets[lf - 1] === CR ? lf - 1 : lf;
}

/** Behind the line that ends at `end`. */
function next(octets: Uint8Array, end: number): number {
  return Math.min(octets.length, end + (octets[end] === CR ? 2 : 1));
}

function topicIn(target: string): string | undefined {
  const found = /^\/(?:topics|request)\/([^?]*)/.exec(target);
  try {
    return found === null ? undefined : decodeURIComponent(found[1]!);
  } catch {
    return undefined; // the hub refuses it
  }
}

/** The topics of a message, or of a list of them, in JSON. */
function topicsIn(octets: Uint8Array): string[] {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(octets));
  } catch {
    return []; // cut, or refused
  }
  const items = Array.isArray(value) ? value.slice(0, MAX_TOPICS) : [value];
  return items.flatMap((item: { readonly topic?: unknown } | null) =>
    typeof item?.topic === 'string' ? [item.topic] : [],
  );
}
