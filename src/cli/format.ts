// How `sub` prints a message: plain, as a line of JSON, or by a template.

import type { Publish } from '../protocol/mqtt/packet.ts';
import { EXIT, Failure } from './io.ts';

export type Formatter = (m: Publish, at: Date) => Uint8Array;

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
export function asJson(m: Publish, at: Date): Record<string, unknown> {
  const { properties: p } = m;
  const said: Record<string, unknown> = {
    at: at.toISOString(),
    topic: m.topic,
    qos: m.qos,
    retain: m.retain,
    dup: m.dup || undefined,
    contentType: p.contentType,
    responseTopic: p.responseTopic,
    correlationBase64: p.correlationData === undefined ? undefined : base64(p.correlationData),
    expirySeconds: p.messageExpiryInterval,
    userProperties: p.userProperty,
    subscriptionIdentifiers: p.subscriptionIdentifier,
  };
  const text = asText(m.payload);
  if (text === undefined) said.payloadBase64 = base64(m.payload);
  else said.payload = text;
  return said;
}

type Part = (m: Publish, at: Date) => Uint8Array;

const FIELDS: Readonly<Record<string, (m: Publish, at: Date) => string | Uint8Array>> = {
  '%': () => '%',
  t: (m) => m.topic,
  p: (m) => m.payload,
  l: (m) => String(m.payload.length),
  q: (m) => String(m.qos),
  r: (m) => (m.retain ? '1' : '0'),
  d: (m) => (m.dup ? '1' : '0'),
  m: (m) => String(m.id),
  x: (m) => Buffer.from(m.payload).toString('hex'),
  X: (m) => Buffer.from(m.payload).toString('hex').toUpperCase(),
  b: (m) => base64(m.payload),
  j: (m, at) => JSON.stringify(asJson(m, at)),
  I: (_, at) => at.toISOString(),
  U: (_, at) => (at.getTime() / 1_000).toFixed(3),
  C: (m) => m.properties.contentType ?? '',
  R: (m) => m.properties.responseTopic ?? '',
  D: (m) => m.properties.correlationData ?? '',
  E: (m) => String(m.properties.messageExpiryInterval ?? ''),
  P: (m) => (m.properties.userProperty ?? []).map(([name, value]) => `${name}:${value}`).join(' '),
  S: (m) => (m.properties.subscriptionIdentifier ?? []).join(' '),
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
