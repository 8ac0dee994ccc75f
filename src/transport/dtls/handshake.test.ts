// Handshakes of our two roles with each other: every suite, resumption, client certificates, connection ids, refusals.

import { X509Certificate } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { Authority } from '../../../test/transport/certificates.ts';
import { DtlsNetwork } from '../../../test/transport/dtls-network.ts';
import { readCertified } from './certificates.ts';
import type { ClientSettings } from './client.ts';
import type { ServerSettings } from './server.ts';
import { type Session, Sessions } from './sessions.ts';
import { isPreShared, SUITES } from './suites.ts';

const authority = new Authority('DTLS test');
afterAll(() => authority.remove());
const authorities = [new X509Certificate(authority.ca)];
const server = readCertified(authority.issue('hub.example'));
const rsa = readCertified(authority.issue('hub.example', ['hub.example'], 'rsa'));
const device = readCertified(authority.issue('thermometer'));
const KEY = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');

const SERVER: ServerSettings = {
  certified: () => server,
  preSharedKey: (identity) => (identity === 'sensor' ? KEY : undefined),
};
const PSK: ClientSettings = { preShared: { identity: 'sensor', key: KEY } };
const BY_CERTIFICATE: ClientSettings = { authorities, serverName: 'hub.example' };

describe.each(SUITES)('$name', (suite) => {
  test.each([undefined, 0, 6])('connection id of the client: %s octets', async (cidBytes) => {
    const network = new DtlsNetwork({
      ...SERVER,
      ...(suite.exchange === 'ecdhe-rsa' ? { certified: () => rsa } : {}),
    });
    const client = network
      .client({
        ...(isPreShared(suite.exchange) ? PSK : BY_CERTIFICATE),
        suites: [suite],
        ...(cidBytes === undefined ? {} : { connectionId: new Uint8Array(cidBytes).fill(7) }),
      })
      .begin();
    await network.clock.run();
    expect(client.end).toBeUndefined();
    expect(client.proof).toMatchObject({ suite, resumed: false, extendedMasterSecret: true });
    expect(network.opened_[0]!.proof).toMatchObject({
      suite,
      identity: isPreShared(suite.exchange) ? { pskIdentity: 'sensor' } : { serverName: 'hub.example' },
    });
    const before = network.seen.length;
    client.say('hello there');
    await network.clock.run();
    expect(client.received_).toEqual(['HELLO THERE']);
    const [up, down] = network.seen.slice(before);
    expect(up!.bytes[0]).toBe(cidBytes === undefined ? 23 : 25);
    expect(down!.bytes[0]).toBe(cidBytes === 6 ? 25 : 23);
    client.close();
    await network.clock.run();
    expect(client.end).toMatchObject({ graceful: true });
    expect(network.closed_).toMatchObject([{ graceful: true }]);
    expect(network.lines.size).toBe(0);
  });
});

async function meet(more: Partial<ServerSettings>, settings: ClientSettings) {
  const network = new DtlsNetwork({ ...SERVER, ...more });
  const client = network.client(settings).begin();
  await network.clock.run();
  return { network, client };
}

describe('certificates', () => {
  const asking = { clientAuthorities: authorities };

  test("a client's is its identity", async () => {
    const { network, client } = await meet(asking, { ...BY_CERTIFICATE, certified: device });
    expect(client.proof?.identity.certificate?.commonName).toBe('hub.example');
    const { certificate } = network.opened_[0]!.proof.identity;
    const fingerprint = new X509Certificate(device.chain[0]!).fingerprint256
      .replaceAll(':', '')
      .toLowerCase();
    expect(certificate).toEqual({ commonName: 'thermometer', fingerprint });
  });

  test('asked for and not shown: anonymous, or refused where it is required', async () => {
    const welcome = await meet(asking, BY_CERTIFICATE);
    expect(welcome.network.opened_[0]!.proof.identity.certificate).toBeUndefined();
    const refused = await meet({ ...asking, requireCertificate: true }, BY_CERTIFICATE);
    expect(refused.client.end?.why).toContain('handshake failure');
    expect(refused.network.opened_).toEqual([]);
  });

  test("a stranger's is refused by either side", async () => {
    const other = new Authority('Nobody');
    const forged = readCertified(other.issue('thermometer'));
    other.remove();
    const byServer = await meet(asking, { ...BY_CERTIFICATE, certified: forged });
    expect(byServer.client.end?.why).toContain('unknown ca');
    const byClient = await meet({ certified: () => forged }, BY_CERTIFICATE);
    expect(byClient.network.closed_[0]!.why).toContain('unknown ca');
    expect(byClient.client.proof).toBeUndefined();
  });

  test('of another name is refused', async () => {
    const { client } = await meet({}, { ...BY_CERTIFICATE, serverName: 'other.example' });
    expect(client.end?.why).toContain('not for other.example');
  });

  test('[RFC5246-7.4.8] shown without having its key: refused', async () => {
    const stolen = { ...device, key: server.key };
    const { client, network } = await meet(asking, { ...BY_CERTIFICATE, certified: stolen });
    expect(client.end?.why).toContain('decrypt error');
    expect(network.opened_).toEqual([]);
  });

  test('chosen by the name that the client asks for', async () => {
    const { client } = await meet(
      { certified: (name) => (name === 'hub.example' ? server : rsa) },
      BY_CERTIFICATE,
    );
    expect(client.proof?.suite.name).toBe('ECDHE-ECDSA-AES128-GCM-SHA256');
  });

  test('an intermediate authority in the chain is followed, one that is none is not', async () => {
    const { leaf, chain } = authority.issueBelow('branch', 'deep.example', true);
    const deep = { ...BY_CERTIFICATE, serverName: 'deep.example' };
    const followed = await meet({ certified: () => readCertified({ cert: chain, key: leaf.key }) }, deep);
    expect(followed.client.proof?.identity.certificate?.commonName).toBe('deep.example');
    const alone = await meet({ certified: () => readCertified(leaf) }, deep);
    expect(alone.client.end?.why).toContain('vouches');
    const pretended = authority.issueBelow('no authority', 'deep.example', false);
    const certified = readCertified({ cert: pretended.chain, key: pretended.leaf.key });
    const refused = await meet({ certified: () => certified }, deep);
    expect(refused.client.end?.why).toContain('vouches');
  });
});

describe('shared keys', () => {
  test.each([
    ['another key', { identity: 'sensor', key: Buffer.alloc(16) }],
    ['an identity that nobody has', { identity: 'nobody', key: KEY }],
  ])('%s: no answer, so that nobody learns which identities there are [RFC4279-2]', async (_, preShared) => {
    const { network, client } = await meet({ handshakeMs: 9_000 }, { preShared, handshakeMs: 9_000 });
    await network.clock.advance(10_000);
    expect(client.end).toMatchObject({ graceful: false });
    expect(network.opened_).toEqual([]);
    expect(network.closed_[0]!.why).toMatch(/the key of ".*" is unknown or another/);
    expect(network.lines.handshakes).toBe(0);
  });

  test('no suite in common: told', async () => {
    const { client } = await meet({ certified: () => undefined }, BY_CERTIFICATE);
    expect(client.end?.why).toContain('handshake failure');
  });
});

describe('sessions', () => {
  async function twice(between: (sessions: Sessions) => void = () => {}, more: Partial<ServerSettings> = {}) {
    const sessions = new Sessions();
    const network = new DtlsNetwork({ ...SERVER, ...more, sessions, clientAuthorities: authorities });
    let kept: Session | undefined;
    const keepSession = (s: Session) => {
      kept = s;
    };
    const settings = { ...BY_CERTIFICATE, certified: device, keepSession, connectionId: new Uint8Array(0) };
    network.client(settings).begin();
    await network.clock.run();
    between(sessions);
    const datagrams = network.seen.length;
    const again = network.client({ ...settings, session: kept! }).begin();
    await network.clock.run();
    again.say('x');
    await network.clock.run();
    expect(again.received_).toEqual(['X']);
    return { network, again, flights: network.seen.length - datagrams };
  }

  test('are resumed with who was proven, without certificates', async () => {
    const { network, again } = await twice();
    expect(again.proof).toMatchObject({ resumed: true });
    const [first, second] = network.opened_.map((o) => o.proof);
    expect(second).toMatchObject({ resumed: true });
    expect(second!.identity).toEqual(first!.identity);
    expect(second!.identity.certificate?.commonName).toBe('thermometer');
  });

  test('forgotten: a whole handshake', async () => {
    const { again } = await twice((sessions) => sessions.clear());
    expect(again.proof).toMatchObject({ resumed: false });
  });

  test('do not outlive their time', async () => {
    const { again } = await twice(() => {}, { sessionMs: 1 });
    expect(again.proof).toMatchObject({ resumed: false });
  });

  test('of a key that was replaced are not resumed', async () => {
    const keys = new Map([['sensor', Buffer.from(KEY)]]);
    const sessions = new Sessions();
    const network = new DtlsNetwork({ ...SERVER, preSharedKey: (i) => keys.get(i), sessions });
    let kept: Session | undefined;
    const settings: ClientSettings = {
      ...PSK,
      keepSession: (s) => {
        kept = s;
      },
    };
    network.client(settings).begin();
    await network.clock.run();
    network.client({ ...settings, session: kept! }).begin();
    await network.clock.run();
    expect(network.opened_.map((o) => o.proof.resumed)).toEqual([false, true]);
    keys.set('sensor', Buffer.alloc(16, 9));
    network.client({ ...settings, session: kept!, handshakeMs: 5_000 }).begin();
    await network.clock.advance(6_000);
    expect(network.opened_).toHaveLength(2);
  });

  test('are a bounded number: the oldest makes room', () => {
    const sessions = new Sessions(2);
    const ids = [1, 2, 3].map((n) => {
      const id = new Uint8Array(32).fill(n);
      const rest = { suite: 1, master: id, extended: true, identity: {}, serverName: undefined };
      sessions.keep({ id, ...rest, preSharedKey: undefined, validUntil: 10 });
      return id;
    });
    expect(ids.map((id) => sessions.find(id, 0) !== undefined)).toEqual([false, true, true]);
    expect(sessions.find(ids[2]!, 10)).toBeUndefined();
  });
});
