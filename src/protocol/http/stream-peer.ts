// HTTP/1.1 over any stream, without a server of the system's: one connection, its requests one after the other.
//
//     waiting → reading → performing → answered: waiting, or the end          events: performing until one side ends it.

import { joined } from '../../bytes/joined.ts';
import type { Hub } from '../../contract/hub.ts';
import { NEVER } from '../../contract/message.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import type { Peer, Protocol, Wire } from '../../contract/wire.ts';
import { decodeRequest } from './decode.ts';
import { encodeProblem } from './encode.ts';
import {
  encodeChunk,
  encodeHead,
  type HeaderFields,
  type HttpParts,
  HttpReader,
  statusLine,
} from './framing.ts';
import {
  type Answer,
  type JsonWords,
  KEEP_ALIVE_MS,
  MAX_DEAF,
  type Pending,
  Refusal,
  type Reply,
} from './packet.ts';
import { HttpPeer, PROTOCOL } from './peer.ts';

const KEPT_OPEN = 'timeout=5';

const utf8 = new TextEncoder();

/** `/topics`, `/subscribe`, `/request` and `/publish`, as the web port has them. */
export function httpStream(json: JsonWords): Protocol {
  return {
    name: PROTOCOL,
    carrier: 'stream',
    matches: (first) => /^(?:GET|HEAD|POST|PUT|DELETE) /.test(String.fromCharCode(...first.subarray(0, 8))),
    open: (wire, hub, now) => new HttpStreamPeer(wire, hub, json, now),
  };
}

interface Asked {
  readonly method: string;
  readonly target: string;
  readonly fields: HeaderFields;
  readonly keepAlive: boolean;
}

class HttpStreamPeer implements Peer, HttpParts {
  private readonly wire: Wire;
  private readonly hub: Hub;
  private readonly json: JsonWords;
  private readonly reader: HttpReader;
  private asked: Asked | undefined;
  private parts: Uint8Array[] = [];
  private performing = false;
  private streaming = false;
  private pending: Pending | undefined;
  private expiresAt = NEVER;
  private aliveAt = NEVER;
  /** Times in a row that it was to say something to a client that did not read. */
  private deaf = 0;
  private login: { readonly authorization: string | undefined; readonly peer: HttpPeer } | undefined;
  private over = false;

  constructor(wire: Wire, hub: Hub, json: JsonWords, now: number) {
    this.wire = wire;
    this.hub = hub;
    this.json = json;
    this.reader = new HttpReader({ side: 'server', maxBodyBytes: wire.limits.maxPacketBytes }, this);
    wire.wake(now + wire.limits.loginMs);
  }

  // --- requests in ---

  receive(bytes: Uint8Array, start: number, end: number): number {
    // What a client says behind a request for events is not heard.
    return this.over || this.streaming ? end : this.reader.receive(bytes, start, end);
  }

  get more(): boolean {
    return !this.performing && !this.over;
  }

  head(line: string, fields: HeaderFields): boolean {
    const found = /^([A-Z]{1,20}) (\/[!-~]*) HTTP\/1\.([01])$/.exec(line);
    if (found === null) throw new ProtocolError('RFC9112-3', 'a request line that is none', 400);
    const [, method, target, minor] = found;
    if (minor === '1' && fields.host === undefined)
      throw new ProtocolError('RFC9112-3.2', 'a request without Host', 400);
    const connection = fields.connection?.toLowerCase() ?? '';
    const keepAlive = minor === '1' ? connection !== 'close' : connection === 'keep-alive';
    this.asked = { method: method!, target: target!, fields, keepAlive };
    if (fields.expect?.toLowerCase() === '100-continue')
      this.wire.write(utf8.encode('HTTP/1.1 100 Continue\r\n\r\n')); // [RFC9110-10.1.1]
    return true;
  }

  body(bytes: Uint8Array, start: number, end: number): void {
    this.parts.push(bytes.slice(start, end));
  }

  end(): void {
    if (this.asked === undefined) this.finish();
    else this.perform(this.asked);
  }

  private perform({ fields }: Asked): void {
    // The next request is read once this one is answered.
    this.performing = true;
    this.wire.pause();
    this.wire.wake(NEVER);
    const { authorization } = fields;
    if (this.login !== undefined && this.login.authorization === authorization && !this.login.peer.gone)
      this.carryOut(this.login.peer);
    else this.logIn(authorization);
  }

  private logIn(authorization: string | undefined): void {
    this.login?.peer.leave(this.hub.now());
    this.login = undefined;
    const basic = basicOf(authorization);
    if (authorization !== undefined && basic === undefined) {
      this.answer(encodeProblem(challenged('bad-authentication-method', 'Authorization is not Basic')));
      return;
    }
    const login = {
      protocol: PROTOCOL,
      client: '',
      username: basic?.user,
      password: basic === undefined ? undefined : utf8.encode(basic.password),
      remote: this.wire.remote,
      listener: this.wire.listener,
      wire: this.wire.identity,
    };
    new HttpPeer(this.hub, login, this.json, (peer, refused) => {
      if (this.over) {
        if (refused === undefined) peer.leave(this.hub.now());
      } else if (refused === undefined) {
        this.login = { authorization, peer };
        this.carryOut(peer);
      } else {
        const why = refused.status === 401 ? challenged(refused.code, refused.message) : refused;
        this.answer(encodeProblem(why));
      }
    });
  }

  private carryOut(peer: HttpPeer): void {
    const { method, target, fields } = this.asked!;
    const mark = target.indexOf('?');
    const path = mark < 0 ? target : target.slice(0, mark);
    const query = new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1));
    const body = this.takeBody();
    const now = this.hub.now();
    try {
      const operation = decodeRequest({ method, path, query, headers: fields, body }, this.hub.limits);
      const pending = peer.perform(operation, body, this.reply, now);
      // An answer that came at once needs no attendance.
      if (pending === undefined || !this.performing) return;
      this.pending = pending;
      this.expiresAt = pending.waitMs === NEVER ? NEVER : now + pending.waitMs;
      this.schedule();
    } catch (why) {
      if (!(why instanceof Refusal)) throw why;
      this.answer(encodeProblem(why));
    }
  }

  private takeBody(): Uint8Array {
    const parts = this.parts;
    this.parts = [];
    return joined(parts);
  }

  // --- answers out: the very octets that the web port sends ---

  private readonly reply: Reply = replyOf(this);

  get full(): boolean {
    return this.wire.full || this.over;
  }

  answer(a: Answer): void {
    if (!this.performing || this.streaming) return;
    const { method, keepAlive } = this.asked!;
    const bare = a.status === 304 || a.status === 204;
    const body = typeof a.body === 'string' ? utf8.encode(a.body) : a.body;
    const stay = keepAlive && a.headers.Connection !== 'close';
    const head = encodeHead(statusLine(a.status), {
      ...a.headers,
      ...(bare ? {} : { 'Content-Length': String(body.length) }),
      'X-Content-Type-Options': 'nosniff',
      ...this.hopFields(stay),
    });
    this.wire.write(head);
    if (!bare && method !== 'HEAD' && body.length > 0) this.wire.write(body);
    this.finish(stay);
  }

  begin(headers: Readonly<Record<string, string>>): void {
    this.streaming = true;
    const fields = { ...headers, 'X-Content-Type-Options': 'nosniff', ...this.hopFields(true) };
    this.wire.write(encodeHead(statusLine(200), { ...fields, 'Transfer-Encoding': 'chunked' }));
    this.aliveAt = this.hub.now() + KEEP_ALIVE_MS;
    // The client may hang up, and that must be seen.
    this.wire.resume();
  }

  event(text: string): void {
    if (this.streaming) this.wire.write(encodeChunk(utf8.encode(text)));
  }

  /** The end of a stream of events, and of its connection. */
  endEvents(): void {
    if (!this.streaming) return;
    this.wire.write(encodeChunk(new Uint8Array(0)));
    this.streaming = false;
    this.finish(false);
  }

  private hopFields(stay: boolean): Record<string, string> {
    const at = new Date(this.hub.now()).toUTCString(); // [RFC9110-6.6.1]
    return stay
      ? { Date: at, Connection: 'keep-alive', 'Keep-Alive': KEPT_OPEN }
      : { Date: at, Connection: 'close' };
  }

  private finish(stay = true): void {
    const { pending } = this;
    this.pending = undefined;
    this.asked = undefined;
    this.performing = false;
    this.expiresAt = NEVER;
    if (stay) {
      this.wire.resume();
      return;
    }
    this.over = true;
    pending?.close(this.hub.now());
    this.wire.end();
  }

  // --- time and endings ---

  private schedule(): void {
    this.wire.wake(Math.min(this.expiresAt, this.aliveAt));
  }

  wake(now: number): void {
    if (!this.performing) {
      if (this.login === undefined) this.wire.end(); // it never asked for anything
      return;
    }
    if (this.expiresAt <= now) this.pending?.expire();
    if (this.streaming && this.aliveAt <= now) {
      if (!this.wire.full) {
        this.deaf = 0;
        this.event(': still here\n\n');
      } else if (++this.deaf === MAX_DEAF) {
        this.hub.counters.drop('slow-consumer');
        this.wire.destroy();
        return;
      }
      this.aliveAt = now + KEEP_ALIVE_MS;
    }
    if (this.performing) this.schedule();
  }

  drained(): void {
    this.pending?.drained();
  }

  broken(why: Error): void {
    this.over = true;
    if (this.performing) return;
    const status = why instanceof ProtocolError && why.code >= 400 ? why.code : 400;
    const problem = encodeProblem(new Refusal(status, 'request-invalid', why.message));
    const body = utf8.encode(String(problem.body));
    this.wire.write(
      encodeHead(statusLine(status), {
        ...problem.headers,
        'Content-Length': String(body.length),
        ...this.hopFields(false),
      }),
    );
    this.wire.write(body);
  }

  lost(now: number): void {
    this.over = true;
    this.parts = [];
    this.pending?.close(now);
    this.pending = undefined;
    this.login?.peer.leave(now);
  }
}

/** Where operations are answered. */
function replyOf(peer: HttpStreamPeer): Reply {
  return {
    get full() {
      return peer.full;
    },
    answer: (a) => peer.answer(a),
    begin: (headers) => peer.begin(headers),
    write: (text) => peer.event(text),
    end: () => peer.endEvents(),
  };
}

function challenged(code: string, sentence: string): Refusal {
  return new Refusal(401, code, sentence, { 'WWW-Authenticate': 'Basic realm="waymeet"' }); // [RFC9110-11.6.1]
}

/** User name and password of `Authorization: Basic`. [RFC7617-2] */
function basicOf(authorization: string | undefined): { user: string; password: string } | undefined {
  const found = /^Basic\s+([A-Za-z0-9+/]+={0,2})\s*$/i.exec(authorization ?? '');
  if (found === null || found[1]!.length % 4 !== 0) return undefined;
  const octets = Uint8Array.from(atob(found[1]!), (c) => c.charCodeAt(0));
  const text = new TextDecoder().decode(octets);
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
