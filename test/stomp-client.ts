// A STOMP client for tests over the broker in memory: it says frames as they stand and reads what comes, by its own reading of the standard.

import type { Broker, RawClient } from './network.ts';

export interface HeardFrame {
  readonly command: string;
  /** First values. */
  readonly headers: Readonly<Record<string, string>>;
  /** All headers, in order. */
  readonly lines: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

export class StompClient {
  readonly raw: RawClient;
  private readonly broker: Broker;
  private rest: Buffer = Buffer.alloc(0);
  /** Line feeds that came between frames. */
  beats = 0;
  /** The other side escapes what it writes. */
  escapes = false;

  constructor(broker: Broker) {
    this.broker = broker;
    this.raw = broker.connect({ protocol: 'stomp' });
  }

  /** Connects and reads the answer. */
  static async connect(
    broker: Broker,
    headers: Record<string, string> = {},
    version = '1.2',
  ): Promise<StompClient> {
    const client = new StompClient(broker);
    client.say('CONNECT', {
      ...(version === '1.0' ? {} : { 'accept-version': version }),
      host: 'h',
      ...headers,
    });
    const [connected] = await client.heard();
    if (connected?.command !== 'CONNECTED') throw new Error(`not CONNECTED: ${JSON.stringify(connected)}`);
    client.escapes = version !== '1.0';
    return client;
  }

  /** Headers go out as they are: escape them yourself. */
  say(command: string, headers: Readonly<Record<string, string>> = {}, body: string | Uint8Array = ''): void {
    const head = `${command}\n${Object.entries(headers)
      .map(([name, value]) => `${name}:${value}\n`)
      .join('')}\n`;
    this.raw.send(Buffer.concat([Buffer.from(head), Buffer.from(body), Buffer.alloc(1)]));
  }

  /** What arrived since the last call, when nothing more comes. */
  async heard(): Promise<HeardFrame[]> {
    await this.broker.clock.run();
    return this.taken();
  }

  /** What arrived, without running the clock. */
  taken(): HeardFrame[] {
    this.rest = Buffer.concat([this.rest, this.raw.take()]);
    const frames: HeardFrame[] = [];
    for (let frame = this.read(); frame !== undefined; frame = this.read()) frames.push(frame);
    return frames;
  }

  private read(): HeardFrame | undefined {
    while (this.rest[0] === 0x0a) {
      this.beats++;
      this.rest = this.rest.subarray(1);
    }
    const headEnd = this.rest.indexOf('\n\n');
    if (headEnd < 0) return undefined;
    const [command, ...rows] = this.rest.subarray(0, headEnd).toString().split('\n') as [string, ...string[]];
    const plain = command === 'CONNECTED' || !this.escapes;
    const lines = rows.map((row) => {
      const colon = row.indexOf(':');
      const parts = [row.slice(0, colon), row.slice(colon + 1)] as const;
      return plain ? parts : ([unescaped(parts[0]), unescaped(parts[1])] as const);
    });
    const headers: Record<string, string> = {};
    for (const [name, value] of lines) headers[name] ??= value;
    const bodyStart = headEnd + 2;
    const length = headers['content-length'];
    const bodyEnd = length === undefined ? this.rest.indexOf(0, bodyStart) : bodyStart + Number(length);
    if (bodyEnd < 0 || bodyEnd >= this.rest.length) return undefined;
    if (this.rest[bodyEnd] !== 0) throw new Error('no NUL at the end of a body');
    const body = Buffer.from(this.rest.subarray(bodyStart, bodyEnd));
    this.rest = this.rest.subarray(bodyEnd + 1);
    return { command, headers, lines, body };
  }
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, c: string) => ({ n: '\n', r: '\r', c: ':', '\\': '\\' })[c] ?? '?');
}
