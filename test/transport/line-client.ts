// The other end of a line connection, on any Node stream: what came is kept until somebody asks for it.

import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { until } from './line.ts';

export class LineClient {
  readonly stream: Duplex;
  closed = false;
  ended = false;
  error: Error | undefined = undefined;
  octets = 0;
  private chunks: Buffer[] = [];

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on('data', (chunk: Buffer) => {
      this.chunks.push(chunk);
      this.octets += chunk.length;
    });
    stream.on('end', () => {
      this.ended = true;
    });
    stream.on('error', (error) => {
      this.error = error;
    });
    stream.on('close', () => {
      this.closed = true;
    });
  }

  send(text: string): void {
    this.stream.write(text);
  }

  /** The next line. */
  async line(): Promise<string> {
    await until(() => Buffer.concat(this.chunks).includes(10) || this.closed, 'a line');
    const all = Buffer.concat(this.chunks);
    const at = all.indexOf(10);
    if (at < 0) throw new Error(`closed before a line came${this.error ? `: ${this.error.message}` : ''}`);
    this.chunks = [all.subarray(at + 1)];
    return all.toString('utf8', 0, at);
  }

  /** The next `count` octets. */
  async take(count: number): Promise<Buffer> {
    const before = this.octets - this.chunks.reduce((sum, c) => sum + c.length, 0);
    await until(() => this.octets - before >= count || this.closed, `${count} octets`);
    const all = Buffer.concat(this.chunks);
    this.chunks = [all.subarray(count)];
    return all.subarray(0, count);
  }

  async gone(): Promise<void> {
    await until(() => this.closed, 'the connection to close');
  }
}

/** Connects to `scheme://host:port`. */
export async function connectTo(address: string, halfOpen = false): Promise<LineClient & { stream: Socket }> {
  const url = new URL(address.replace(/^[^:]*:/, 'tcp:'));
  const socket = connect({
    host: url.hostname.replace(/[[\]]/g, ''),
    port: Number(url.port),
    allowHalfOpen: halfOpen,
  });
  const client = new LineClient(socket);
  await until(() => socket.readyState === 'open' || client.closed, 'the connection');
  return client as LineClient & { stream: Socket };
}
