// `waymeet trace`: packets of a client or a topic of a running hub, as they pass, on a terminal or as NDJSON.

import type { TracedPacket } from '../admin/trace.ts';
import { EXIT, Failure, type Io, say } from './io.ts';

export interface TraceFlags {
  readonly url: string;
  readonly client?: string;
  readonly topic?: string;
  readonly limit: number;
  readonly seconds: number;
  readonly user?: string;
  readonly json?: boolean;
}

/** Resolves to the exit code. Rejects with Failure. */
export async function trace(io: Io, flags: TraceFlags): Promise<number> {
  const abort = new AbortController();
  const asked = io.stopAsked().then(() => abort.abort());
  const response = await ask(io, flags, abort.signal);
  say(io, `tracing ${flags.client ?? flags.topic} at ${flags.url}`);
  let packets = 0;
  try {
    for await (const line of linesOf(response)) {
      packets++;
      io.output.write(flags.json ? `${line}\n` : render(JSON.parse(line) as TracedPacket));
    }
  } catch (error) {
    if (!abort.signal.aborted) throw new Failure(`the hub is gone: ${(error as Error).message}`);
    await asked;
  }
  say(io, `${packets} packets`);
  return EXIT.fine;
}

async function ask(io: Io, flags: TraceFlags, signal: AbortSignal): Promise<Response> {
  const query = new URLSearchParams({ limit: String(flags.limit), seconds: String(flags.seconds) });
  if (flags.client !== undefined) query.set('client', flags.client);
  if (flags.topic !== undefined) query.set('topic', flags.topic);
  const target = new URL(`/api/v1/trace?${query}`, flags.url);
  const password = io.environment.WAYMEET_PASSWORD;
  const credentials = Buffer.from(`${flags.user ?? 'admin'}:${password}`).toString('base64');
  const headers: Record<string, string> =
    password === undefined ? {} : { Authorization: `Basic ${credentials}` };
  let response: Response;
  try {
    response = await fetch(target, { headers, signal });
  } catch (error) {
    throw new Failure(
      `no hub answers at ${flags.url}: start one, or say --url`,
      EXIT.failed,
      (error as Error).cause,
    );
  }
  if (response.ok) return response;
  const problem = (await response.json().catch(() => ({}))) as { detail?: string };
  const fix = response.status === 401 ? ' (set WAYMEET_PASSWORD)' : '';
  throw new Failure(`${problem.detail ?? `HTTP status ${response.status}`}${fix}`);
}

async function* linesOf(response: Response): AsyncGenerator<string> {
  let rest = '';
  for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    yield* lines;
  }
}

const OCTETS_A_LINE = 16;

/** A line that says what passed, its fields, and its octets. */
function render(p: TracedPacket & { missed?: number }): string {
  const time = new Date(p.at).toISOString().slice(11, 23);
  const who = p.client ?? p.remote;
  const arrow = p.direction === 'in' ? '→' : '←';
  const topic = p.topic === undefined ? '' : ` ${p.topic}`;
  const lines = [
    ...(p.missed === undefined ? [] : [`(${p.missed} packets were left out)`]),
    `${time} ${arrow} ${p.protocol} ${who} ${p.name}${topic}, ${p.length} octets`,
    ...p.fields.map(({ name, value }) => `    ${name}: ${printable(value)}`),
    ...dump(Buffer.from(p.octets, 'base64')),
    ...(p.cut ? ['    …'] : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** What passes may be written to harm a terminal. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (c) => `\\u${c.codePointAt(0)!.toString(16).padStart(4, '0')}`);
}

function* dump(octets: Uint8Array): Iterable<string> {
  for (let at = 0; at < octets.length; at += OCTETS_A_LINE) {
    const row = octets.subarray(at, at + OCTETS_A_LINE);
    const hex = Array.from(row, (o) => o.toString(16).padStart(2, '0')).join(' ');
    const text = Array.from(row, (o) => (o >= 0x20 && o < 0x7f ? String.fromCharCode(o) : '.')).join('');
    yield `    ${at.toString(16).padStart(4, '0')}  ${hex.padEnd(3 * OCTETS_A_LINE)} ${text}`;
  }
}
