// The lab's model of TLS and WebSocket against node:tls, OpenSSL and ws: the same octets, to the last one.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect as connectTls, createServer as createTlsServer, type SecureContextOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { flightsOf, recordOverhead, type TlsSpec, type TlsVersion } from '../../src/lab/network/tls.ts';
import { frameHeaderBytes } from '../../src/lab/network/websocket.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'waymeet-lab-'));
const openssl = spawnSync('openssl', ['version']).status === 0;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Certificate {
  readonly key: Buffer;
  readonly cert: Buffer;
  readonly derBytes: number;
}

function certificate(kind: 'ec' | 'ed25519'): Certificate {
  const [key, cert] = [path.join(folder, `${kind}.key`), path.join(folder, `${kind}.crt`)];
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-nodes', '-days', '30', '-subj', '/CN=hub.example', '-keyout', key, '-out', cert],
    ...(kind === 'ec' ? ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] : ['-newkey', 'ed25519']),
  ]);
  if (made.status !== 0) throw new Error(made.stderr.toString());
  const der = spawnSync('openssl', ['x509', '-in', cert, '-outform', 'der']).stdout;
  return { key: readFileSync(key), cert: readFileSync(cert), derBytes: der.length };
}

/** What the model assumes of both ends. */
const SETTINGS: Record<TlsVersion, SecureContextOptions> = {
  '1.3': {
    minVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_128_GCM_SHA256',
    ecdhCurve: 'X25519',
    sigalgs: 'ecdsa_secp256r1_sha256:ed25519',
  },
  '1.2': {
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
    ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256',
    ecdhCurve: 'X25519:P-256',
    sigalgs: 'ecdsa_secp256r1_sha256:ed25519',
  },
};

/** A proxy that keeps what it passes on. */
class Tap {
  up = Buffer.alloc(0);
  down = Buffer.alloc(0);
  readonly server = createServer((near) => {
    const far = connect(this.target, '127.0.0.1');
    near.on('data', (bytes: Buffer) => {
      this.up = Buffer.concat([this.up, bytes]);
      far.write(bytes);
    });
    far.on('data', (bytes: Buffer) => {
      this.down = Buffer.concat([this.down, bytes]);
      near.write(bytes);
    });
    const end = (other: Socket) => () => other.destroy();
    near.on('close', end(far)).on('error', end(far));
    far.on('close', end(near)).on('error', end(near));
  });
  private readonly target: number;

  constructor(target: number) {
    this.target = target;
  }

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  clear(): void {
    this.up = Buffer.alloc(0);
    this.down = Buffer.alloc(0);
  }
}

/** The lengths of the records, headers with them. */
function records(bytes: Buffer): number[] {
  const lengths: number[] = [];
  for (let at = 0; at < bytes.length; at += lengths.at(-1)!) lengths.push(5 + bytes.readUInt16BE(at + 3));
  return lengths;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const CONTENT = 100;

describe.skipIf(!openssl)('openssl: TLS', () => {
  let ed25519: Certificate;
  let ec: Certificate;
  beforeAll(() => {
    ed25519 = certificate('ed25519');
    ec = certificate('ec');
  });

  /** Handshake, CONTENT octets there and back, and the same again with the session of before. */
  async function talk(
    version: TlsVersion,
    { key, cert }: Certificate,
  ): Promise<{ up: number[]; down: number[] }[]> {
    const server = createTlsServer({ key, cert, ...SETTINGS[version] }, (socket) => {
      socket.on('data', (bytes) => socket.write(bytes)).on('error', () => {});
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const tap = new Tap((server.address() as AddressInfo).port);
    const port = await tap.listen();
    const talks: { up: number[]; down: number[] }[] = [];
    let session: Buffer | undefined;
    for (const resumed of [false, true]) {
      tap.clear();
      const socket = connectTls({
        port,
        host: '127.0.0.1',
        servername: 'hub.example',
        rejectUnauthorized: false,
        ...SETTINGS[version],
        ...(session === undefined ? {} : { session }),
      });
      const kept = resumed ? undefined : once(socket, 'session');
      await once(socket, 'secureConnect');
      socket.write(Buffer.alloc(CONTENT));
      await once(socket, 'data');
      if (kept !== undefined) session = (await kept)[0] as Buffer;
      expect(socket.isSessionReused()).toBe(resumed);
      talks.push({ up: records(tap.up), down: records(tap.down) });
      socket.destroy();
      await once(socket, 'close');
    }
    server.close();
    tap.server.close();
    return talks;
  }

  test.each(['1.3', '1.2'] as const)(
    'TLS %s: every octet of the handshake, full and resumed',
    async (version) => {
      const talks = await talk(version, ed25519);
      const spec: TlsSpec = {
        version,
        serverName: 'hub.example',
        certificates: [ed25519.derBytes],
        signatureBytes: 64,
      };
      talks.forEach(({ up, down }, i) => {
        const { turns, tickets } = flightsOf(spec, i === 1);
        const content = CONTENT + recordOverhead(version);
        expect(up.at(-1)).toBe(content);
        expect(down.at(-1)).toBe(content);
        expect(sum(up) - content, 'the client').toBe(sum(turns.filter((_, turn) => turn % 2 === 0)));
        expect(sum(down) - content, 'the server').toBe(
          sum(turns.filter((_, turn) => turn % 2 === 1)) + tickets,
        );
      });
    },
  );

  test('the default: a P-256 certificate, whose signature has 70 to 72 octets', async () => {
    const { down } = (await talk('1.3', ec))[0]!;
    const spec: TlsSpec = {
      version: '1.3',
      serverName: 'hub.example',
      certificates: [ec.derBytes],
      signatureBytes: 71,
    };
    const { turns, tickets } = flightsOf(spec, false);
    const model = turns[1]! + tickets + CONTENT + recordOverhead('1.3');
    expect(Math.abs(sum(down) - model)).toBeLessThanOrEqual(1);
  });
});

test('WebSocket: frames as ws writes them', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  server.on('connection', (socket) => socket.on('message', (bytes) => socket.send(bytes as Buffer)));
  await once(server, 'listening');
  const tap = new Tap((server.address() as AddressInfo).port);
  const socket = new WebSocket(`ws://127.0.0.1:${await tap.listen()}/mqtt`, 'mqtt', {
    perMessageDeflate: false,
  });
  await once(socket, 'open');
  for (const length of [0, 125, 126, 65_535, 65_536]) {
    tap.clear();
    socket.send(Buffer.alloc(length));
    await once(socket, 'message');
    expect([tap.up.length, tap.down.length]).toEqual([
      frameHeaderBytes(length, true) + length,
      frameHeaderBytes(length, false) + length,
    ]);
  }
  socket.terminate();
  server.close();
  tap.server.close();
});
