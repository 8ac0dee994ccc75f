// Octets to STOMP frames, in whatever pieces they come.

import { ProtocolError } from '../../contract/outcome.ts';
import { type BodyBudget, GatheredBody, tooLarge } from './body.ts';
import {
  CLIENT_COMMANDS,
  type ClientCommand,
  type Frame,
  type FrameLimits,
  NO_BODY,
  type Version,
} from './packet.ts';

const LF = 0x0a;
const CR = 0x0d;
const NUL = 0;

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What one side may send, and which of that has a body. */
export interface Commands<C extends string> {
  readonly all: readonly C[];
  readonly bodied: readonly C[];
}

const OF_CLIENTS: Commands<ClientCommand> = { all: CLIENT_COMMANDS, bodied: ['SEND'] };

/** A frame whose head is there, and its body not yet. */
interface Begun<C extends string> {
  readonly command: C;
  readonly headers: string[];
  readonly body: GatheredBody;
}

/**
 * Reads one side's frames: `COMMAND EOL (name:value EOL)* EOL body NUL`, any number of EOL between frames. What is a part of a head is left
 * to the transport, bodies are gathered here.
 */
export class FrameDecoder<C extends string = ClientCommand> {
  /** What the connection has agreed on; before that escapes are nothing special. [STOMP12-value-encoding] */
  version: Version = '1.0';
  limits: FrameLimits;
  /** Where the last `next` stopped. */
  at = 0;
  private readonly budget: BodyBudget;
  /** So much of the unread rest was looked through for the end of the head already. */
  private scanned = 0;
  private begun: Begun<C> | undefined = undefined;
  private readonly commands: Commands<C>;

  constructor(
    limits: FrameLimits,
    budget: BodyBudget,
    commands: Commands<C> = OF_CLIENTS as Commands<never>,
  ) {
    this.limits = limits;
    this.budget = budget;
    this.commands = commands;
  }

  /** The next frame of `bytes[start..end)`, or undefined when more is needed. See `at`. Throws ProtocolError. */
  next(bytes: Uint8Array, start: number, end: number): Frame<C> | undefined {
    if (this.begun !== undefined) return this.continued(this.begun, bytes, start, end);
    const head = this.skipLines(bytes, start, end);
    this.at = head;
    if (head === end) return undefined;
    const headEnd = this.findHeadEnd(bytes, head, end);
    if (headEnd < 0) return undefined;
    const body = bytes[headEnd + 1] === LF ? headEnd + 2 : headEnd + 3;
    return this.start(bytes, head, headEnd, body, end);
  }

  /** Heart-beats and the lines that may follow a frame. [STOMP12-augmented-bnf] */
  private skipLines(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    for (; at < end; at++) {
      const c = bytes[at]!;
      if (c === LF) continue;
      if (c !== CR) return at;
      if (at + 1 === end) return at;
      if (bytes[at + 1] !== LF) throw malformed('a carriage return without a line feed');
    }
    return at;
  }

  /** The offset of the line feed that ends the last header line, or -1 when it has not come. */
  private findHeadEnd(bytes: Uint8Array, head: number, end: number): number {
    const limit = Math.min(end, head + this.limits.headBytes);
    let at = head + this.scanned;
    for (; at < limit; at++) {
      const c = bytes[at]!;
      if (c === NUL) throw malformed('a frame ends within its headers: an empty line comes before the NUL');
      if (c !== LF) continue;
      if (at + 1 === end) break;
      const next = bytes[at + 1];
      if (next === LF) return this.foundHead(at);
      if (next !== CR) continue;
      if (at + 2 === end) break;
      if (bytes[at + 2] === LF) return this.foundHead(at);
    }
    if (at - head >= this.limits.headBytes) {
      throw new ProtocolError(
        'STOMP12-size-limits',
        `command and headers are longer than ${this.limits.headBytes} octets`,
      );
    }
    this.scanned = at - head;
    return -1;
  }

  private foundHead(at: number): number {
    this.scanned = 0;
    return at;
  }

  private start(
    bytes: Uint8Array,
    head: number,
    headEnd: number,
    body: number,
    end: number,
  ): Frame<C> | undefined {
    const { command, headers } = this.headOf(decodeText(bytes, head, headEnd));
    const bodied = this.commands.bodied.includes(command);
    // Before the login there is no room for bodies.
    if (bodied && this.limits.bodyBytes === 0)
      throw new ProtocolError('STOMP12-connecting', `CONNECT is the first frame, not ${command}`);
    const bodyBytes = bodied ? this.limits.bodyBytes : 0;
    const length = lengthOf(headers, bodyBytes);
    const bodyEnd = length === undefined ? bytes.indexOf(NUL, body) : body + length;
    if (bodyEnd >= 0 && bodyEnd < end) {
      if (bodyEnd - body > bodyBytes) throw tooLong(command, bodyBytes);
      if (bytes[bodyEnd] !== NUL) throw noNul();
      this.at = bodyEnd + 1;
      return { command, headers, body: bodyEnd === body ? NO_BODY : bytes.slice(body, bodyEnd) };
    }
    const gathered = new GatheredBody(length, bodyBytes, this.budget);
    this.begun = { command, headers, body: gathered };
    return this.continued(this.begun, bytes, body, end);
  }

  private continued(begun: Begun<C>, bytes: Uint8Array, start: number, end: number): Frame<C> | undefined {
    const { command, headers, body } = begun;
    let bodyEnd: number;
    if (body.length === undefined) {
      const found = bytes.indexOf(NUL, start);
      bodyEnd = found < 0 || found > end ? end : found;
    } else bodyEnd = Math.min(end, start + body.missing);
    if (bodyEnd > start) {
      if (!this.commands.bodied.includes(command)) throw tooLong(command, 0);
      body.add(bytes, start, bodyEnd);
    }
    this.at = bodyEnd;
    if (bodyEnd === end) return undefined;
    if (bytes[bodyEnd] !== NUL) throw noNul();
    this.at = bodyEnd + 1;
    this.begun = undefined;
    return { command, headers, body: body.finish() };
  }

  /** The connection is over: a body that was arriving never will have. */
  close(): void {
    this.begun?.body.close();
    this.begun = undefined;
  }

  private headOf(text: string): { command: C; headers: string[] } {
    let lineEnd = text.indexOf('\n');
    const command = commandOf(this.commands.all, lineEnd < 0 ? text : text.slice(0, lineEnd));
    const headers: string[] = [];
    const connecting = (command as string) === 'CONNECT' || (command as string) === 'STOMP';
    while (lineEnd >= 0) {
      const line = lineEnd + 1;
      lineEnd = text.indexOf('\n', line);
      let to = lineEnd < 0 ? text.length : lineEnd;
      if (to - line > this.limits.lineLength)
        throw new ProtocolError('STOMP12-size-limits', 'a header line is too long');
      if (text.charCodeAt(to - 1) === CR && this.version !== '1.1') to--; // in 1.1 it belongs to the value
      this.addHeader(headers, text, line, to, connecting);
      if (headers.length > this.limits.headers * 2)
        throw new ProtocolError('STOMP12-size-limits', `more than ${this.limits.headers} headers`);
    }
    if (connecting && !headers.includes('accept-version')) trimValues(headers);
    return { command, headers };
  }

  private addHeader(headers: string[], text: string, line: number, to: number, connecting: boolean): void {
    const colon = text.indexOf(':', line);
    if (colon < 0 || colon >= to) throw malformed('a header line has no colon');
    if (colon === line) throw malformed('a header has no name');
    const name = text.slice(line, colon);
    const value = text.slice(colon + 1, to);
    if (this.version === '1.0' || connecting) {
      // 1.0 was written with blanks after the colon, and had no escapes. [STOMP12-value-encoding]
      headers.push(name, connecting ? value : value.trim());
    } else headers.push(unescaped(name, this.version), unescaped(value, this.version));
  }
}

function commandOf<C extends string>(commands: readonly C[], line: string): C {
  const name = line.endsWith('\r') ? line.slice(0, -1) : line;
  for (const command of commands) if (command === name) return command;
  throw new ProtocolError(
    'STOMP12-client-frames',
    `${JSON.stringify(name.slice(0, 20))} is none of ${commands.join(', ')}`,
  );
}

function decodeText(bytes: Uint8Array, start: number, end: number): string {
  try {
    return strictUtf8.decode(bytes.subarray(start, end));
  } catch {
    throw new ProtocolError('STOMP12-value-encoding', 'the headers are not UTF-8');
  }
}

/** The announced length, checked before anything is kept for it. */
function lengthOf(headers: readonly string[], limit: number): number | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'content-length') continue;
    const text = headers[i + 1]!;
    if (!/^\d{1,15}$/.test(text)) throw malformed('content-length is not a number');
    if (Number(text) > limit) throw tooLarge(limit);
    return Number(text);
  }
  return undefined;
}

/** `\n`, `\c`, `\\`, and from 1.2 on `\r`; anything else is fatal. [STOMP12-value-encoding] */
function unescaped(text: string, version: Version): string {
  let backslash = text.indexOf('\\');
  if (backslash < 0) return text;
  let plain = '';
  let from = 0;
  for (; backslash >= 0; backslash = text.indexOf('\\', from)) {
    plain += text.slice(from, backslash);
    const letter = text[backslash + 1];
    if (letter === 'n') plain += '\n';
    else if (letter === 'c') plain += ':';
    else if (letter === '\\') plain += '\\';
    else if (letter === 'r' && version === '1.2') plain += '\r';
    else throw new ProtocolError('STOMP12-value-encoding', `\\${letter ?? ''} is no escape of ${version}`);
    from = backslash + 2;
  }
  return plain + text.slice(from);
}

function trimValues(headers: string[]): void {
  for (let i = 1; i < headers.length; i += 2) headers[i] = headers[i]!.trim();
}

function malformed(what: string): ProtocolError {
  return new ProtocolError('STOMP12-augmented-bnf', what);
}

function noNul(): ProtocolError {
  return new ProtocolError('STOMP12-header-content-length', 'no NUL where content-length ends the body');
}

function tooLong(command: string, limit: number): ProtocolError {
  if (command === 'SEND') return tooLarge(limit);
  return new ProtocolError('STOMP12-stomp-frames', `a ${command} frame has no body`);
}
