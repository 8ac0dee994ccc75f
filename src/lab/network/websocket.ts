// WebSocket over a stream: the upgrade's octets and the frames' as they are, each write one message.

import type { Kind } from './tally.ts';
import { NO_SINK, type Stream, type StreamSink } from './tcp.ts';

export interface UpgradeSpec {
  readonly path: string;
  readonly host: string;
  readonly subprotocol: string;
  readonly text: boolean;
}

const FINAL = 0x80;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const MASKED = 0x80;
const KEY_BYTES = 4;
const HEAD_END = Buffer.from('\r\n\r\n');

/** A browser adds more: user agent, origin, extensions, caching. This is the least that RFC 6455, section 4.1, allows. */
export function upgradeRequest(spec: UpgradeSpec): string {
  return [
    `GET ${spec.path} HTTP/1.1`,
    `Host: ${spec.host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Protocol: ${spec.subprotocol}`,
    '\r\n',
  ].join('\r\n');
}

export function upgradeResponse(spec: UpgradeSpec): string {
  return [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
    `Sec-WebSocket-Protocol: ${spec.subprotocol}`,
    '\r\n',
  ].join('\r\n');
}

/** The octets of a frame's header, RFC 6455, section 5.2; a client's has a masking key. */
export function frameHeaderBytes(length: number, client: boolean): number {
  return (length < 126 ? 2 : length < 65_536 ? 4 : 10) + (client ? KEY_BYTES : 0);
}

/** Client and server look alike but for the mask, whose key is zero here: masking changes no size. */
export class WebSocketEnd implements Stream, StreamSink {
  sink: StreamSink = NO_SINK;
  private readonly under: Stream;
  private readonly spec: UpgradeSpec;
  private readonly client: boolean;
  private upgraded = false;
  private closing = false;
  private rest: Buffer = Buffer.alloc(0);

  constructor(under: Stream, spec: UpgradeSpec, client: boolean) {
    this.under = under;
    this.spec = spec;
    this.client = client;
    under.sink = this;
  }

  get unsent(): number {
    return this.under.unsent;
  }

  write(bytes: Uint8Array, kind: Kind): void {
    if (this.closing) return;
    this.under.write(this.header(this.spec.text ? TEXT : BINARY, bytes.length), 'framing');
    this.under.write(bytes, kind);
  }

  private header(opcode: number, length: number): Uint8Array {
    const header = Buffer.alloc(frameHeaderBytes(length, this.client));
    header[0] = FINAL | opcode;
    const masked = this.client ? MASKED : 0;
    if (length < 126) header[1] = masked | length;
    else if (length < 65_536) {
      header[1] = masked | 126;
      header.writeUInt16BE(length, 2);
    } else {
      header[1] = masked | 127;
      header.writeUInt32BE(length, 6);
    }
    return header;
  }

  end(): void {
    if (!this.sayClose()) return;
    this.under.end();
  }

  private sayClose(): boolean {
    if (this.closing) return false;
    this.closing = true;
    if (!this.upgraded) return true;
    this.under.write(this.header(CLOSE, 2), 'framing');
    this.under.write(Uint8Array.of(0x03, 0xe8), 'framing');
    return true;
  }

  destroy(): void {
    this.under.destroy();
  }

  pause(): void {
    this.under.pause();
  }

  resume(): void {
    this.under.resume();
  }

  // ---- from below

  opened(): void {
    if (this.client) this.under.write(Buffer.from(upgradeRequest(this.spec)), 'framing');
  }

  received(bytes: Uint8Array): void {
    this.rest = this.rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.rest, bytes]);
    if (!this.upgraded && !this.upgrade()) return;
    while (this.frame());
  }

  private upgrade(): boolean {
    const at = this.rest.indexOf(HEAD_END);
    if (at < 0) return false;
    this.rest = this.rest.subarray(at + HEAD_END.length);
    this.upgraded = true;
    if (!this.client) this.under.write(Buffer.from(upgradeResponse(this.spec)), 'framing');
    this.sink.opened();
    return true;
  }

  /** Takes one frame, if it is there whole. */
  private frame(): boolean {
    const { rest } = this;
    if (rest.length < 2) return false;
    let length = rest[1]! & 0x7f;
    let at = 2;
    if (length === 126) {
      if (rest.length < 4) return false;
      length = rest.readUInt16BE(2);
      at = 4;
    } else if (length === 127) {
      if (rest.length < 10) return false;
      length = rest.readUInt32BE(6);
      at = 10;
    }
    if ((rest[1]! & MASKED) !== 0) at += KEY_BYTES;
    if (rest.length < at + length) return false;
    this.rest = rest.subarray(at + length);
    if ((rest[0]! & 0x0f) === CLOSE) {
      this.sayClose();
      this.sink.ended();
    } else {
      this.sink.received(rest.subarray(at, at + length));
    }
    return true;
  }

  drained(): void {
    this.sink.drained();
  }

  ended(): void {
    this.sink.ended();
  }

  failed(): void {
    this.sink.failed();
  }
}
