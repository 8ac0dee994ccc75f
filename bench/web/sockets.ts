// WebSocket and HTTP clients that cost little: what is measured is the server.

import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** A text frame of a client, masked with zeros: cheap, and as long as any. */
export function textFrame(text: string): Buffer {
  const body = Buffer.from(text);
  const head =
    body.length < 126 ? [0x81, 0x80 | body.length] : [0x81, 0xfe, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from(head), Buffer.alloc(4), body]);
}

/** A WebSocket that counts what it gets. */
export class CountingSocket {
  received = 0;
  readonly socket: Socket;
  private readonly counted: (octets: number) => void;

  private constructor(socket: Socket, counted: (octets: number) => void) {
    this.socket = socket;
    this.counted = counted;
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.length;
      this.counted(chunk.length);
    });
  }

  static async open(
    port: number,
    path: string,
    subprotocol: string,
    counted: (octets: number) => void,
  ): Promise<CountingSocket> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const key = randomBytes(16).toString('base64');
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`,
    );
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('data', (head: Buffer) => {
        socket.off('error', reject);
        if (head.toString('latin1').startsWith('HTTP/1.1 101')) resolve();
        else reject(new Error(head.toString('latin1').split('\r\n', 1)[0]));
      });
    });
    return new CountingSocket(socket, counted);
  }

  /** Resolves when a text has come. */
  heard(text: string): Promise<void> {
    return new Promise((resolve) => {
      let all = '';
      const look = (chunk: Buffer) => {
        all += chunk.toString('latin1');
        if (!all.includes(text)) return;
        this.socket.off('data', look);
        resolve();
      };
      this.socket.on('data', look);
    });
  }

  say(text: string): void {
    this.socket.write(textFrame(text));
  }
}

/** Sends the same request again and again on one connection, `pipeline` at a time; calls `answered` with how many answers came. */
export function repeat(
  port: number,
  request: Buffer,
  answerBytes: number,
  answered: (n: number) => void,
): Socket {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let left = answerBytes;
  socket.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left > 0) return;
    left += answerBytes;
    answered(1);
    socket.write(request);
  });
  socket.write(request);
  return socket;
}

/** One answer to a request, whole. */
export function ask(port: number, request: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('error', reject);
    socket.once('data', (answer: Buffer) => {
      socket.destroy();
      resolve(answer);
    });
    socket.write(request);
  });
}
