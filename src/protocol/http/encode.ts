// From what the hub says to what HTTP clients read: problems, entity tags, events.

import type { Message } from '../../contract/message.ts';
import type { Answer, Refusal } from './packet.ts';

const JSON_HEADERS = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' };

export function encodeJson(value: unknown, status = 200): Answer {
  return { status, headers: JSON_HEADERS, body: `${JSON.stringify(value)}\n` };
}

/** `application/problem+json`: a status, a code for programs, a sentence for people. [RFC9457-3] */
export function encodeProblem(r: Refusal): Answer {
  const body = {
    type: 'about:blank',
    status: r.status,
    title: titleOf(r.code),
    code: r.code,
    detail: r.message,
  };
  return {
    status: r.status,
    headers: { ...JSON_HEADERS, ...r.headers, 'Content-Type': 'application/problem+json' },
    body: `${JSON.stringify(body)}\n`,
  };
}

function titleOf(code: string): string {
  return code.charAt(0).toUpperCase() + code.slice(1).replaceAll('-', ' ');
}

/** Tells values of one topic apart: when the hub took it, and FNV-1a of the payload. */
export function entityTag(m: Message): string {
  let h = 0x811c9dc5;
  for (const octet of m.payload) h = Math.imul(h ^ octet, 0x01000193);
  return `"${m.at.toString(36)}-${(h >>> 0).toString(36)}"`;
}

export const EVENT_HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store',
  // Proxies that buffer would hold events back.
  'X-Accel-Buffering': 'no',
} as const;

/** One server-sent event. `data` is JSON, so it has no line breaks of its own. */
export function encodeEvent(data: object, id: string | undefined, type?: string): string {
  const head = `${type === undefined ? '' : `event: ${type}\n`}${id === undefined ? '' : `id: ${id}\n`}`;
  return `${head}data: ${JSON.stringify(data)}\n\n`;
}
