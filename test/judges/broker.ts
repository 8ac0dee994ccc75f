// The broker that is judged: in this process, on free ports, with a folder of its own for every test file.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, expect } from 'vitest';
import { resolveConfig } from '../../src/server/config/resolve.ts';
import { formatProblem } from '../../src/server/config/source.ts';
import { createLog } from '../../src/server/log.ts';
import { type Server, startServer } from '../../src/server/start.ts';

/** One listener of each kind that needs no files. */
const PLAIN = [
  { name: 'tcp', type: 'tcp', host: '127.0.0.1', port: 0 },
  { name: 'ws', type: 'ws', host: '127.0.0.1', port: 0 },
  { name: 'unix', type: 'unix', path: './mqtt.sock' },
];

const SETTINGS = {
  listeners: PLAIN,
  store: { durability: 'memory' },
  log: { level: 'info', format: 'json' },
  sys: { interval: '1s' },
};

export class Broker {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'waymeet-judges-'));
  readonly log: string[] = [];
  private running: Server | undefined;

  get server(): Server {
    if (this.running === undefined) throw new Error('the broker is not started');
    return this.running;
  }

  async start(settings: object): Promise<void> {
    const text = JSON.stringify({ ...SETTINGS, ...settings });
    const { config, problems } = resolveConfig({ file: { name: path.join(this.folder, 'it.yaml'), text } });
    if (config === undefined) throw new Error(problems.map(formatProblem).join('\n'));
    const { log } = this;
    const lines = new Writable({
      write(chunk, _encoding, done) {
        log.push(String(chunk));
        done();
      },
    });
    this.running = await startServer(config, { log: createLog(config.log, lines), version: '0.0.0-judged' });
  }

  /** Stops it, and fails when it complained of itself. */
  async stop(): Promise<void> {
    const { hub } = this.server;
    await this.server.stop();
    rmSync(this.folder, { recursive: true });
    expect(hub.counters.of('mqtt').faults, this.log.join('')).toBe(0);
    expect(this.log.filter((line) => /"level":"(?:error|fatal)"/.test(line))).toEqual([]);
  }

  port(listener = 'tcp'): number {
    return Number(/:(\d+)$/.exec(this.server.address(listener))![1]);
  }

  /** Where MQTT.js finds a listener. */
  url(listener = 'tcp'): string {
    const address = this.server.address(listener);
    if (address.startsWith('mqtt+unix:')) return address;
    if (address.startsWith('mqtts:')) return `mqtts://localhost:${this.port(listener)}`;
    if (address.startsWith('http'))
      return `${address.replace(/^http/, 'ws').replace('127.0.0.1', 'localhost')}/mqtt`;
    return address;
  }

  file(name: string): string {
    return path.join(this.folder, name);
  }

  /** Writes a file into the broker's folder, and returns its path. */
  write(name: string, content: string | Uint8Array): string {
    writeFileSync(this.file(name), content);
    return this.file(name);
  }
}

/** A broker for all tests of a file or block; `settings` may write files first. */
export function useBroker(settings: (broker: Broker) => object | Promise<object> = () => ({})): Broker {
  const broker = new Broker();
  beforeAll(async () => broker.start(await settings(broker)));
  afterAll(() => broker.stop());
  return broker;
}

let count = 0;

/** A name that no other test uses. */
export function unique(what: string): string {
  return `${what}-${++count}`;
}
