// Handshakes over bad networks: loss, repetition and overtaking, small paths, silence, restarts and addresses that change.

import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { Authority } from '../../../test/transport/certificates.ts';
import { DtlsNetwork, type Seen } from '../../../test/transport/dtls-network.ts';
import { readCertified } from './certificates.ts';
import type { ClientSettings } from './client.ts';
import type { LinesOptions } from './lines.ts';
import { HEADER_BYTES, splitDatagram } from './record.ts';
import type { ServerSettings } from './server.ts';
import { type Session, Sessions } from './sessions.ts';

const authority = new Authority('DTLS weather');
afterAll(() => authority.remove());
const authorities = [new X509Certificate(authority.ca)];
const server = readCertified(authority.issue('hub.example'));
const device = readCertified(authority.issue('thermometer'));
const KEY = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');

const SERVER: ServerSettings = {
  certified: () => server,
  preSharedKey: () => KEY,
  clientAuthorities: authorities,
  handshakeMs: 300_000,
};
const PSK: ClientSettings = { preShared: { identity: 'sensor', key: KEY }, handshakeMs: 300_000 };
const MUTUAL: ClientSettings = {
  ...{ authorities, certified: device, serverName: 'hub.example', handshakeMs: 300_000 },
  connectionId: new Uint8Array(0),
};

describe('loss, repetition and overtaking', () => {
  const storm = fc.record({
    seed: fc.integer({ min: 1, max: 1e9 }),
    loss: fc.double({ min: 0, max: 0.4, noNaN: true }),
    duplicates: fc.double({ min: 0, max: 0.5, noNaN: true }),
    jitterMs: fc.integer({ min: 0, max: 3_000 }),
    maxDatagramBytes: fc.integer({ min: 200, max: 1_232 }),
  });

  test.each([
    ['a shared key', PSK],
    ['certificates of both', MUTUAL],
  ])('%s: the handshake ends well, once', async (_, settings) => {
    await fc.assert(
      fc.asyncProperty(storm, async ({ seed, maxDatagramBytes, ...weather }) => {
        const network = new DtlsNetwork({ ...SERVER, maxDatagramBytes }, weather, seed);
        const client = network.client({ ...settings, maxDatagramBytes }).begin();
        await network.clock.advance(300_000);
        expect(client.end).toBeUndefined();
        expect(client.proof).toBeDefined();
        // A client may need several hellos, and the server may have begun with each of them: one was finished.
        expect(network.opened_).toHaveLength(1);
        expect(network.lines).toMatchObject({ size: 1, handshakes: 0 });
        for (const { bytes } of network.seen) expect(bytes.length).toBeLessThanOrEqual(maxDatagramBytes);
        network.weather = { delayMs: 1, jitterMs: 0, loss: 0, duplicates: 0 };
        client.say('still there');
        await network.clock.run();
        expect(client.received_).toEqual(['STILL THERE']);
      }),
      fuzz(40),
    );
  });

  test('a resumption does too', async () => {
    await fc.assert(
      fc.asyncProperty(storm, async ({ seed, maxDatagramBytes, ...weather }) => {
        const network = new DtlsNetwork({ ...SERVER, maxDatagramBytes, sessions: new Sessions() }, {}, seed);
        let session: Session | undefined;
        const settings: ClientSettings = {
          ...MUTUAL,
          keepSession: (s) => {
            session = s;
          },
        };
        network.client(settings).begin();
        await network.clock.run();
        network.weather = { ...network.weather, ...weather };
        const again = network.client({ ...settings, session: session! }).begin();
        await network.clock.advance(300_000);
        expect(again.proof).toMatchObject({ resumed: true });
        expect(network.opened_).toHaveLength(2);
      }),
      fuzz(30),
    );
  });

  test('what overtakes the end of the handshake is kept until then', async () => {
    const network = new DtlsNetwork(SERVER);
    const client = network.client(PSK).begin();
    let finished: Seen | undefined;
    network.passes = (datagram) => {
      // The flight that begins with ClientKeyExchange.
      if (datagram.to === 'server' && datagram.bytes[13] === 16 && finished === undefined) {
        finished = datagram;
        return false;
      }
      return true;
    };
    await network.clock.run();
    const { bytes } = finished!;
    // ClientKeyExchange | ChangeCipherSpec | Finished: the last one first.
    const cut = bytes.length - HEADER_BYTES - splitDatagram(bytes, 0).at(-1)!.fragment.length;
    network.arrive({ ...finished!, bytes: bytes.subarray(cut) });
    expect(network.opened_).toEqual([]);
    network.arrive({ ...finished!, bytes: bytes.subarray(0, cut) });
    expect(network.opened_).toHaveLength(1);
    await network.clock.run();
    expect(client.proof).toBeDefined();
  });

  test('[RFC6347-4.2.4] timers: sent again after 1, 2, 4 s …, smaller when large ones stay unanswered', async () => {
    const network = new DtlsNetwork(SERVER);
    const client = network.client({ ...MUTUAL, handshakeMs: 40_000 }).begin();
    network.passes = ({ to }) => to === 'server';
    const started = network.clock.now;
    const times: number[] = [];
    const seen = network.seen.length;
    for (let i = 0; i < 45; i++) {
      const before = network.seen.filter((s) => s.to === 'server').length;
      await network.clock.advance(1_000);
      if (network.seen.filter((s) => s.to === 'server').length > before) {
        times.push((network.clock.now - started) / 1_000);
      }
    }
    expect(seen).toBe(1);
    expect(times).toEqual([1, 3, 7, 15, 31]);
    expect(client.end).toMatchObject({ graceful: false, why: 'the handshake took too long' });
    // Stateless until the cookie: no handshake was begun, and no answer was larger than its question.
    expect(network.begun_).toEqual([]);
    const questions = network.seen.filter((s) => s.to === 'server');
    for (const { bytes } of network.seen.filter((s) => s.from === 'server')) {
      expect(bytes.length).toBeLessThanOrEqual(Math.min(...questions.map((q) => q.bytes.length)));
    }
  });

  test("the server's flight becomes smaller when nobody answers, and ends", async () => {
    const network = new DtlsNetwork({ ...SERVER, handshakeMs: 20_000 });
    network.client(MUTUAL).begin();
    network.passes = ({ to }) => to === 'server' || network.begun_.length === 0;
    await network.clock.advance(25_000);
    const flights = network.seen.filter((s) => s.from === 'server').map((s) => s.bytes.length);
    expect(Math.max(...flights.slice(0, 3))).toBeGreaterThan(548);
    expect(flights.at(-1)!).toBeLessThanOrEqual(548);
    expect(network.closed_).toMatchObject([{ why: 'the handshake took too long' }]);
    expect(network.lines.handshakes).toBe(0);
  });
});

describe('the table of associations', () => {
  async function opened(options: LinesOptions = {}, more: Partial<ClientSettings> = {}) {
    const network = new DtlsNetwork(SERVER, {}, 1, options);
    const client = network.client({ ...PSK, ...more }, 'home').begin();
    await network.clock.run();
    return { network, client };
  }

  test('[RFC6347-4.2.8] a device that begins anew replaces its association once it has proven itself', async () => {
    const { network } = await opened();
    const old = network.opened_[0]!.line;
    const again = network.client(PSK, 'home').begin();
    network.passes = ({ bytes }) => bytes[0] !== 20 && bytes[13] !== 16; // the proof does not come through
    await network.clock.advance(20_000);
    expect(network.opened_).toHaveLength(1);
    expect(old.association.state).toBe('open');
    network.passes = () => true;
    await network.clock.advance(60_000);
    expect(again.proof).toBeDefined();
    expect(network.opened_).toHaveLength(2);
    expect(old.association.state).toBe('closed');
    expect(network.lines.size).toBe(1);
  });

  test('a late copy of the hello that began an association begins nothing', async () => {
    const { network } = await opened();
    const hello = network.seen.findLast((s) => s.bytes[13] === 1)!;
    network.arrive(hello);
    expect(network.begun_).toHaveLength(1);
    expect(network.lines).toMatchObject({ size: 1, handshakes: 0 });
  });

  test('[RFC9146-6] a device whose address changes keeps its association, and is answered there', async () => {
    const { network, client } = await opened({}, { connectionId: new Uint8Array(0) });
    network.move(client, 'elsewhere');
    client.say('here now');
    await network.clock.run();
    expect(client.received_).toEqual(['HERE NOW']);
    expect(network.moved_).toHaveLength(1);
    expect(network.seen.at(-1)).toMatchObject({ to: 'elsewhere' });
    expect(network.opened_).toHaveLength(1);
  });

  test('[RFC9146-6] neither an old record nor a forged one moves anybody', async () => {
    const { network, client } = await opened({}, { connectionId: new Uint8Array(0) });
    let first: Seen | undefined;
    network.passes = (datagram) => {
      if (datagram.from !== 'home' || first !== undefined) return true;
      first = datagram;
      return false;
    };
    client.say('lost on its way');
    client.say('second');
    await network.clock.run();
    network.arrive({ ...first!, from: 'thief' });
    expect(network.moved_).toEqual([]);
    const forged = network.seen.findLast((s) => s.to === 'server')!.bytes.slice();
    forged[10]! += 1; // a newer sequence number
    network.arrive({ from: 'thief', to: 'server', bytes: forged });
    expect(network.moved_).toEqual([]);
    expect(network.opened_[0]!.line.remote.key).toBe('home');
  });

  test('to a new address goes at most three times what came from there, until more comes', async () => {
    const { network, client } = await opened({}, { connectionId: new Uint8Array(0) });
    const { line } = network.opened_[0]!;
    network.echoes = false;
    network.move(client, 'elsewhere');
    client.say('x');
    await network.clock.run();
    const came = network.seen.at(-1)!.bytes.length;
    const before = network.seen.length;
    for (let i = 0; i < 20; i++) network.say(line, 'y'.repeat(30));
    const went = network.seen.slice(before).reduce((sum, s) => sum + s.bytes.length, 0);
    expect(went).toBeGreaterThan(came);
    expect(went).toBeLessThanOrEqual(3 * came);
    client.say('x');
    await network.clock.run();
    network.say(line, 'z'.repeat(1_000));
    await network.clock.run();
    expect(client.received_.at(-1)).toBe('z'.repeat(1_000));
  });

  test('without connection ids a changed address is a stranger, who gets no answer', async () => {
    const { network, client } = await opened({ connectionIdBytes: 0 }, { connectionId: new Uint8Array(0) });
    network.move(client, 'elsewhere');
    client.say('hello?');
    await network.clock.run();
    expect(client.received_).toEqual([]);
    expect(network.seen.at(-1)).toMatchObject({ from: 'elsewhere' });
  });

  test('handshakes are a bounded number; an old one makes room, a young one does not', async () => {
    const network = new DtlsNetwork(SERVER, {}, 1, { maxHalfOpen: 2 });
    network.passes = ({ bytes }) => bytes[13] !== 16; // none gets to its end
    for (let i = 0; i < 5; i++) network.client(PSK).begin();
    await network.clock.advance(500);
    expect(network.lines.handshakes).toBe(2);
    expect(network.begun_).toHaveLength(2);
    await network.clock.advance(8_000);
    expect(network.lines.handshakes).toBe(2);
    expect(network.begun_.length).toBeGreaterThan(2);
  });

  test('a closed door: nobody new, and those inside go on', async () => {
    const { network, client } = await opened();
    network.lines.closeDoor(network.clock.now);
    const late = network.client({ ...PSK, handshakeMs: 5_000 }).begin();
    await network.clock.advance(6_000);
    expect(late.end).toMatchObject({ graceful: false });
    client.say('inside');
    await network.clock.run();
    expect(client.received_).toEqual(['INSIDE']);
  });
});
