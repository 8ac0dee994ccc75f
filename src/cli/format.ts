// How `sub` prints a message: plain, as a line of JSON, or by a template.

import type { IncomingMessage } from '../client/message.ts';
import { type Id, NEVER } from '../contract/message.ts';
import { EXIT, Failure } from './io.ts';

/** What is printed of a message. */
export type Shown = Pick<
  IncomingMessage,
  'topic' | 'payload' | 'qos' | 'retained' | 'duplicate' | 'meta' | 'expiresAt'
>;

export type Formatter = (m: Shown, at: Date) => Uint8Array;

export interface FormatFlags {
  readonly json?: boolean;
  readonly verbose?: boolean;
  readonly format?: string;
  /** Print nothing after a message. */
  readonly noNewline?: boolean;
}

const NEWLINE = new Uint8Array([10]);

export function formatter(flags: FormatFlags): Formatter {
  const end = flags.noNewline ? new Uint8Array(0) : NEWLINE;
  if (flags.json) return (m, at) => join([bytes(`${JSON.stringify(asJson(m, at))}\n`)]);
  if (flags.format !== undefined) {
    const parts = parseTemplate(flags.format);
    return (m, at) => join([...parts.map((part) => part(m, at)), end]);
  }
  if (flags.verbose) return (m) => join([bytes(`${m.topic} `), m.payload, end]);
  return (m) => join([m.payload, end]);
}

/** A message as JSON: text payloads as `payload`, others as `payloadBase64`; only the properties that it has. */
export function asJson(m: Shown, at: Date): Record<string, unknown> {
  const { correlation, messageId, user, text: _text, createdAt, ...meta } = m.meta;
  const said: Record<string, unknown> = {
    at: at.toISOString(),
    topic: m.topic,
    qos: m.qos,
    retain: m.retained,
    dup: m.duplicate || undefined,
    ...meta,
    ...(correlation === undefined ? {} : idAsJson('correlation', correlation)),
    ...(messageId === undefined ? {} : idAsJson('messageId', messageId)),
    createdAt: createdAt === undefined ? undefined : new Date(createdAt).toISOString(),
    expirySeconds: m.expiresAt === NEVER ? undefined : secondsLeft(m, at),
    userProperties: user?.map(({ name, value }) => [name, valueAsJson(value)]),
  };
  const text = asText(m.payload);
  if (text === undefined) said.payloadBase64 = base64(m.payload);
  else said.payload = text;
  return said;
}

function idAsJson(name: string, id: Id): Record<string, string> {
  if (id instanceof Uint8Array) return { [`${name}Base64`]: base64(id) };
  return { [name]: typeof id === 'object' ? id.uuid : String(id) };
}

function valueAsJson(value: string | number | bigint | boolean | Uint8Array) {
  if (value instanceof Uint8Array) return base64(value);
  return typeof value === 'bigint' ? String(value) : value;
}

function secondsLeft(m: Shown, at: Date): number {
  return Math.max(0, Math.ceil((m.expiresAt - at.getTime()) / 1_000));
}

function octetsOf(id: Id | undefined): string | Uint8Array {
  if (id === undefined) return '';
  if (id instanceof Uint8Array) return id;
  return typeof id === 'object' ? id.uuid : String(id);
}

type Part = (m: Shown, at: Date) => Uint8Array;

const FIELDS: Readonly<Record<string, (m: Shown, at: Date) => string | Uint8Array>> = {
  '%': () => '%',
  t: (m) => m.topic,
  p: (m) => m.payload,
  l: (m) => String(m.payload.length),
  q: (m) => String(m.qos),
  r: (m) => (m.retained ? '1' : '0'),
  d: (m) => (m.duplicate ? '1' : '0'),
  x: (m) => Buffer.from(m.payload).toString('hex'),
  X: (m) => Buffer.from(m.payload).toString('hex').toUpperCase(),
  b: (m) => base64(m.payload),
  j: (m, at) => JSON.stringify(asJson(m, at)),
  I: (_, at) => at.toISOString(),
  U: (_, at) => (at.getTime() / 1_000).toFixed(3),
  C: (m) => m.meta.contentType ?? '',
  R: (m) => m.meta.responseTopic ?? '',
  D: (m) => octetsOf(m.meta.correlation),
  E: (m, at) => (m.expiresAt === NEVER ? '' : String(secondsLeft(m, at))),
  P: (m) => (m.meta.user ?? []).map(({ name, value }) => `${name}:${valueAsJson(value)}`).join(' '),
};

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  '0': '\0',
  '\\': '\\',
  e: '\u001b',
  a: '\u0007',
};

function parseTemplate(template: string): Part[] {
  const parts: Part[] = [];
  let plain = '';
  const flush = () => {
    const fixed = bytes(plain);
    if (fixed.length > 0) parts.push(() => fixed);
    plain = '';
  };
  for (let i = 0; i < template.length; i++) {
    const sign = template[i]!;
    const next = template[i + 1];
    if (sign === '\\' && next !== undefined) {
      plain += ESCAPES[next] ?? sign + next;
      i++;
    } else if (sign === '%') {
      const field = next === undefined ? undefined : FIELDS[next];
      if (field === undefined) {
        throw new Failure(
          `the format has '%${next ?? ''}' at place ${i + 1}; there is %${Object.keys(FIELDS).join(' %')}`,
          EXIT.usage,
        );
      }
      flush();
      parts.push((m, at) => {
        const value = field(m, at);
        return typeof value === 'string' ? bytes(value) : value;
      });
      i++;
    } else plain += sign;
  }
  flush();
  return parts;
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function base64(value: Uint8Array): string {
  return Buffer.from(value).toString('base64');
}

function asText(payload: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload);
  } catch {
    return undefined; // not UTF-8: told as base64
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}
