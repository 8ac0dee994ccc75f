// Object security: the vectors of RFC 8613, appendix C, and a client that seals its requests against a whole hub.

import { describe, expect, test } from 'vitest';
import { type Broker, hex, type RawClient, startBroker, toHex } from '../../../test/network.ts';
import { oscoreCrypto } from '../../transport/oscore-crypto.ts';
import { decodeCoap, decodeUint } from './decode.ts';
import { encodeCoap, encodeUint } from './encode.ts';
import {
  decodeOscoreOption,
  encodeOscoreOption,
  OscoreContext,
  type OscoreSecret,
  type Plain,
  parseSecrets,
  pivOf,
} from './oscore.ts';
import { CODE, type CoapMessage, type CoapOption, codeText, NOTHING, OPTION } from './packet.ts';
import { coap } from './protocol.ts';
import { Sealing as Sealed } from './sealing.ts';
import { OscoreContexts, openRequest } from './unsealing.ts';

const octets = (digits: string): Uint8Array => hex(digits.replace(/(..)/g, '$1 '));

/** The hub's side, RFC 8613 C.1.2: the server's ids, the client's is empty. */
const SERVER: OscoreSecret = {
  user: 'sensor',
  masterSecret: octets('0102030405060708090a0b0c0d0e0f10'),
  masterSalt: octets('9e7ca92223786340'),
  senderId: octets('01'),
  recipientId: NOTHING,
  idContext: undefined,
};
const CLIENT: OscoreSecret = { ...SERVER, senderId: SERVER.recipientId, recipientId: SERVER.senderId };

describe('vectors', () => {
  const get = octets('44015d1f00003974396c6f63616c686f737483747631');
  const sealed = octets('44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e');
  const message = (bytes: Uint8Array) => decodeCoap(bytes, 0, bytes.length) as CoapMessage;

  test('[RFC8613-C.4] a request is opened, and sealed the same', () => {
    const m = message(sealed);
    const option = decodeOscoreOption(m.options.find((o) => o.number === OPTION.oscore)!.value)!;
    expect([toHex(option.piv), toHex(option.kid!), option.kidContext]).toEqual(['14', '', undefined]);
    const plain = new OscoreContext(SERVER, oscoreCrypto).open(option.piv, m.payload)!;
    const inner = message(get).options.filter((o) => o.number === OPTION.uriPath);
    expect([plain.code, plain.options, plain.payload]).toEqual([CODE.get, inner, NOTHING]);
    const again = new OscoreContext(CLIENT, oscoreCrypto).sealRequest(octets('14'), plain);
    expect(toHex(again)).toBe(toHex(m.payload));
  });

  const ANSWERS: readonly [name: string, octets: string, own: string][] = [
    [
      '[RFC8613-C.7] under the number of the request',
      '64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106',
      '',
    ],
    [
      '[RFC8613-C.8] with a number of its own',
      '64445d1f00003974920100ff4d4c13669384b67354b2b6175ff4b8658c666a6cf88e',
      '00',
    ],
  ];
  test.each(ANSWERS)('%s', (_name, datagram, own) => {
    const m = message(octets(datagram));
    const plain: Plain = {
      code: CODE.content,
      options: [],
      payload: new TextEncoder().encode('Hello World!'),
    };
    const ownPiv = own === '' ? undefined : octets(own);
    const server = new OscoreContext(SERVER, oscoreCrypto);
    expect(toHex(server.sealAnswer(octets('14'), ownPiv, plain))).toBe(toHex(m.payload));
    const client = new OscoreContext(CLIENT, oscoreCrypto);
    expect(client.openAnswer(octets('14'), ownPiv ?? NOTHING, m.payload)).toEqual(plain);
    const value = encodeOscoreOption({ piv: ownPiv ?? NOTHING, kid: undefined, kidContext: undefined });
    expect(value).toEqual(m.options[0]!.value);
  });

  test('options that are malformed', () => {
    for (const value of ['06', '20', '00', '0114 00', '10', '10 05 01', '07 01 02 03 04 05 06 07'])
      expect([value, decodeOscoreOption(hex(value))]).toEqual([value, undefined]);
    expect(decodeOscoreOption(hex('19 05 02 aa bb cc'))).toEqual({
      piv: hex('05'),
      kidContext: hex('aa bb'),
      kid: hex('cc'),
    });
  });

  test('numbers take as few octets as they can', () => {
    expect([0, 1, 255, 256].map((n) => toHex(pivOf(n)))).toEqual(['00', '01', 'ff', '01 00']);
  });

  test('contexts that are replaced: those that stay keep what they have seen', () => {
    const contexts = new OscoreContexts([SERVER], oscoreCrypto);
    const find = (kid: Uint8Array) => contexts.find({ kid, piv: NOTHING, kidContext: undefined })[0];
    find(SERVER.recipientId)!.took(7);
    const other = { ...SERVER, recipientId: octets('05') };
    contexts.replace([other, { ...SERVER, masterSalt: octets('9e7ca92223786340') }]);
    expect([find(SERVER.recipientId)!.judge(7), find(octets('05'))!.judge(7)]).toEqual(['stale', 'unsure']);
    contexts.replace([{ ...SERVER, masterSalt: octets('00') }]);
    expect([find(SERVER.recipientId)!.judge(7), find(octets('05'))]).toEqual(['unsure', undefined]);
  });

  test('a file of contexts', () => {
    const lines = '# users\nsensor::01:00ff:9e\n\nother:02:01:aa::37\nthird:03:01:aa::*\n';
    const read = parseSecrets(lines, (digits) => octets(digits));
    expect(read.map((s) => [s.user, toHex(s.recipientId), toHex(s.senderId), toHex(s.masterSalt)])).toEqual([
      ['sensor', '', '01', '9e'],
      ['other', '02', '01', ''],
      ['third', '03', '01', ''],
    ]);
    expect(read.map((s) => [s.idContext, s.derives])).toEqual([
      [undefined, false],
      [octets('37'), false],
      [undefined, true],
    ]);
    expect(() => parseSecrets('sensor:01', octets)).toThrow('line 1');
  });
});

/** A client that seals; `heard` is what it could open. */
class Sealing {
  readonly raw: RawClient;
  private readonly context: OscoreContext;
  private readonly pivs = new Map<string, Uint8Array>();
  private nextId = 1;
  private sequence = 0;

  constructor(broker: Broker, secret = CLIENT) {
    this.raw = broker.connect({ protocol: 'coap', remote: '127.0.0.1:50001' });
    this.context = new OscoreContext(secret, oscoreCrypto);
  }

  /** The datagram, so that it can be sent again. */
  request(
    code: number,
    path: string,
    payload = '',
    more: readonly CoapOption[] = [],
    sequence: number = this.sequence++,
    outside: readonly CoapOption[] = [],
  ): Uint8Array {
    const segments = path.split('/').slice(1);
    const options = [
      ...segments.map((s) => ({ number: OPTION.uriPath, value: Buffer.from(s) as Uint8Array })),
      ...more,
    ].toSorted((a, b) => a.number - b.number);
    const piv = pivOf(sequence);
    const token = Uint8Array.of(this.nextId);
    this.pivs.set(toHex(token), piv);
    const observe = more.filter((o) => o.number === OPTION.observe);
    const datagram = encodeCoap({
      type: 0,
      code: observe.length > 0 ? CODE.fetch : CODE.post,
      id: this.nextId++,
      token,
      options: [
        ...observe,
        { number: OPTION.oscore, value: encodeOscoreOption({ piv, kid: NOTHING, kidContext: undefined }) },
        ...outside,
      ],
      payload: this.context.sealRequest(piv, { code, options, payload: Buffer.from(payload) }),
    });
    this.raw.send(datagram);
    return datagram;
  }

  /** `2.05 text`; what is in clear is marked. Confirmable messages are acknowledged. */
  heard(): { text: string; options: readonly CoapOption[] }[] {
    return this.raw.takeEach().map((datagram) => {
      const m = decodeCoap(datagram, 0, datagram.length) as CoapMessage;
      if (m.type === 0)
        this.raw.send(encodeCoap({ ...m, type: 2, code: 0, token: NOTHING, options: [], payload: NOTHING }));
      const option = m.options.find((o) => o.number === OPTION.oscore);
      if (option === undefined) return { text: `clear ${said(m)}`, options: m.options };
      const { piv } = decodeOscoreOption(option.value)!;
      const plain = this.context.openAnswer(this.pivs.get(toHex(m.token))!, piv, m.payload);
      return plain === undefined
        ? { text: 'not to be opened', options: [] }
        : { text: said(plain), options: plain.options };
    });
  }
}

function said({ code, payload }: Plain): string {
  return `${codeText(code)} ${Buffer.from(payload)}`.trimEnd();
}

function start(): Promise<Broker> {
  return startBroker({ protocols: [coap({ oscore: new OscoreContexts([SERVER], oscoreCrypto) })] });
}

/** A client whose context is in step with the hub's [RFC8613-B.1.2]. */
async function synchronized(broker: Broker): Promise<Sealing> {
  const c = new Sealing(broker);
  c.request(CODE.get, '/t/a');
  await broker.clock.run();
  const [challenge] = c.heard();
  expect(challenge!.text).toBe('4.01');
  c.request(CODE.get, '/t/a', '', [challenge!.options.find((o) => o.number === OPTION.echo)!]);
  await broker.clock.run();
  expect(c.heard().map((h) => h.text)).toEqual(['4.04 no retained message']);
  return c;
}

describe('over a hub', () => {
  test('[RFC8613-B.1.2] the first request proves with an Echo that it is new; then they go as they come', async () => {
    const broker = await start();
    const c = await synchronized(broker);
    c.request(CODE.put, '/t/a', '21.5', [{ number: OPTION.uriQuery, value: Buffer.from('retain=1') }]);
    await broker.clock.run();
    c.request(CODE.get, '/t/a');
    await broker.clock.run();
    expect(c.heard().map((h) => h.text)).toEqual(['2.04', '2.05 21.5']);
  });

  test('[RFC8613-4.1.2] a proxy is asked for outside', async () => {
    const broker = await start();
    const c = await synchronized(broker);
    const scheme = { number: OPTION.proxyScheme, value: Buffer.from('coap') as Uint8Array };
    c.request(CODE.get, '/t/a', '', [], undefined, [scheme]);
    await broker.clock.run();
    expect(c.heard().map((h) => h.text)).toEqual(['5.05 no proxy']);
  });

  test('observations are sealed, large notifications cut inside', async () => {
    const broker = await start();
    const c = await synchronized(broker);
    c.request(CODE.get, '/t/a', '', [{ number: OPTION.observe, value: NOTHING }]);
    const plain = broker.connect({ protocol: 'coap', remote: '127.0.0.1:50002' });
    await broker.clock.run();
    const path = ['t', 'a'].map((s) => ({ number: OPTION.uriPath, value: Buffer.from(s) as Uint8Array }));
    for (const [id, text] of [
      ['1', 'one'],
      ['2', 'z'.repeat(1_500)],
    ] as const) {
      const m = {
        type: 0,
        code: CODE.put,
        id: Number(id),
        token: NOTHING,
        options: path,
        payload: Buffer.from(text),
      } as const;
      plain.send(encodeCoap(m));
      await broker.clock.run();
    }
    const heard = c.heard();
    expect(heard.map((h) => h.text)).toEqual(['2.05', '2.05 one']);
    await broker.clock.run(); // the acknowledgement made room
    const [large] = c.heard();
    expect(large!.text).toBe(`2.05 ${'z'.repeat(1_024)}`);
    const block = decodeUint(large!.options.find((o) => o.number === OPTION.block2)!.value);
    c.request(CODE.get, '/t/a', '', [{ number: OPTION.block2, value: encodeUint(block - 8 + 16) }]);
    await broker.clock.run();
    expect(c.heard().map((h) => h.text)).toEqual([`2.05 ${'z'.repeat(476)}`]);
  });

  test('[RFC8613-8.2] replayed, changed, of an unknown context: refused in clear, and nothing is done', async () => {
    const broker = await start();
    const c = await synchronized(broker);
    const put = c.request(CODE.put, '/t/a', 'x', [
      { number: OPTION.uriQuery, value: Buffer.from('retain=1') },
    ]);
    await broker.clock.run();
    c.heard();
    const again = (change: (bytes: Uint8Array) => void) => {
      const copy = put.slice();
      copy[2] = 0x77; // another message id: no duplicate
      change(copy);
      c.raw.send(copy);
    };
    again(() => {});
    await broker.clock.run();
    expect(c.heard().map((h) => h.text)).toEqual(['clear 4.01 Replay detected']);
    c.request(CODE.put, '/t/a', 'far', [], 1_000);
    c.request(CODE.put, '/t/a', 'near', [], 990);
    c.request(CODE.put, '/t/a', 'past', [], 900);
    await broker.clock.run();
    expect(
      c
        .heard()
        .map((h) => h.text)
        .toSorted(),
    ).toEqual(['2.04', '2.04', 'clear 4.01 Replay detected']);
    const forged = new Sealing(broker, { ...CLIENT, masterSecret: octets('ff') });
    forged.request(CODE.get, '/t/a', '', [], 2_000);
    await broker.clock.run();
    expect(forged.heard().map((h) => h.text)).toEqual(['clear 4.00 Decryption failed']);
  });

  test('what a sealed request opened is closed to requests in clear', async () => {
    const broker = await start();
    const c = await synchronized(broker);
    const path = ['t', 'a'].map((s) => ({ number: OPTION.uriPath, value: Buffer.from(s) as Uint8Array }));
    c.raw.send(
      encodeCoap({ type: 0, code: CODE.get, id: 900, token: NOTHING, options: path, payload: NOTHING }),
    );
    await broker.clock.run();
    expect(c.heard().map((h) => h.text)).toEqual(['clear 4.01 this endpoint is logged in as another client']);
  });

  test('without contexts the option is not understood [RFC8613-2]', async () => {
    const broker = await startBroker({ protocols: [coap()] });
    const c = new Sealing(broker);
    c.request(CODE.get, '/t/a');
    await broker.clock.run();
    expect(c.heard().map((h) => h.text)).toEqual(['clear 4.02 option 9']);
  });
});

describe('[RFC8613-B.2] keys derived anew', () => {
  const ID1 = octets('a1a2a3a4a5a6a7a8');
  const R3 = octets('b1b2b3b4b5b6b7b8');

  /** A device that follows the appendix step by step. */
  class Device {
    readonly raw: RawClient;
    private readonly base = new OscoreContext(CLIENT, oscoreCrypto);
    private id = 1;
    private sequence = 0;

    constructor(broker: Broker) {
      this.raw = broker.connect({ protocol: 'coap', remote: '127.0.0.1:50001' });
    }

    /** A request under keys of `idContext`, which it tells as `kidContext`; the piv and the datagram. */
    send(idContext: Uint8Array, kidContext: Uint8Array | undefined, code: number = CODE.get) {
      const piv = pivOf(this.sequence++);
      const options = ['t', 'a'].map((s) => ({
        number: OPTION.uriPath,
        value: Buffer.from(s) as Uint8Array,
      }));
      const value = encodeOscoreOption({ piv, kid: NOTHING, kidContext });
      const sealed = this.base.derived(idContext).sealRequest(piv, { code, options, payload: NOTHING });
      const datagram = encodeCoap({
        type: 0,
        code: CODE.post,
        id: this.id++,
        token: Uint8Array.of(this.id),
        options: [{ number: OPTION.oscore, value }],
        payload: sealed,
      });
      this.raw.send(datagram);
      return { piv, datagram };
    }

    repeat(datagram: Uint8Array): void {
      const copy = datagram.slice();
      copy[2] = 0x77;
      copy[3] = this.id++;
      this.raw.send(copy);
    }

    /** The answer to `piv`: in clear, or opened with the context that `keys` names by its kid context. */
    heard(piv: Uint8Array, keys: (kidContext: Uint8Array | undefined) => Uint8Array) {
      const datagram = this.raw.take();
      const m = decodeCoap(datagram, 0, datagram.length) as CoapMessage;
      const option = m.options.find((o) => o.number === OPTION.oscore);
      if (option === undefined) return { text: `clear ${said(m)}`, kidContext: undefined };
      const { piv: own, kidContext } = decodeOscoreOption(option.value)!;
      const plain = this.base.derived(keys(kidContext)).openAnswer(piv, own, m.payload);
      return { text: plain === undefined ? 'not to be opened' : said(plain), kidContext };
    }
  }

  const bstr = (inner: Uint8Array) => Buffer.concat([Uint8Array.of(0x40 + inner.length), inner]);
  const both = (a: Uint8Array, b: Uint8Array) => new Uint8Array(Buffer.concat([a, b]));

  /** Through the first exchange: our part, R2. */
  async function offered(broker: Broker, d: Device) {
    const first = d.send(ID1, bstr(ID1));
    await broker.clock.run();
    let r2: Uint8Array = NOTHING;
    const answer = d.heard(first.piv, (kidContext) => {
      expect(kidContext![0]).toBe(0x48); // eight octets, wrapped
      r2 = kidContext!.slice(1);
      return both(r2, ID1);
    });
    expect(answer.text).toBe('4.01');
    return { r2, first };
  }

  test('two exchanges, and the keys stay, whether the id context is told or not', async () => {
    const broker = await start();
    const d = new Device(broker);
    const { r2 } = await offered(broker, d);
    const agreed = both(r2, R3);
    for (const told of [Buffer.concat([Uint8Array.of(0x50), agreed]), undefined, agreed]) {
      const { piv } = d.send(agreed, told);
      await broker.clock.run();
      expect(d.heard(piv, () => agreed)).toEqual({ text: '4.04 no retained message', kidContext: undefined });
    }
  });

  test('what is replayed is refused, and starts nothing that counts', async () => {
    const broker = await start();
    const d = new Device(broker);
    const { r2, first } = await offered(broker, d);
    const agreed = both(r2, R3);
    const second = d.send(agreed, bstr(agreed));
    await broker.clock.run();
    d.heard(second.piv, () => agreed);
    d.repeat(second.datagram);
    await broker.clock.run();
    expect(d.heard(second.piv, () => agreed).text).toBe('clear 4.01 Replay detected');
    // The first request again is offered something, and nobody can take it up but who has the keys.
    d.repeat(first.datagram);
    await broker.clock.run();
    expect(d.heard(first.piv, (k) => both(k!.slice(1), ID1)).text).toBe('4.01');
    const { piv } = d.send(agreed, undefined);
    await broker.clock.run();
    expect(d.heard(piv, () => agreed).text).toBe('4.04 no retained message');
    // The next keys, and then what was sent under the old ones once more: no longer known, it begins a derivation and does nothing.
    const next = both((await offered(broker, d)).r2, R3);
    const third = d.send(next, bstr(next));
    await broker.clock.run();
    expect(d.heard(third.piv, () => next).text).toBe('4.04 no retained message');
    d.repeat(second.datagram);
    await broker.clock.run();
    expect(d.heard(second.piv, (k) => both(k!.slice(1), agreed)).text).toBe('4.01');
  });

  test('nobody without the secret is offered anything', async () => {
    const broker = await start();
    const d = new Device(broker);
    const { piv } = d.send(ID1, bstr(R3));
    await broker.clock.run();
    expect(d.heard(piv, () => ID1).text).toBe('clear 4.01 Security context not found');
  });

  test('a hub that has forgotten the keys: the client derives others and goes on', async () => {
    const broker = await start();
    const contexts = () => new OscoreContexts([SERVER], oscoreCrypto);
    const random = (length: number) => broker.hub.random(length);
    const client = new Sealed({ ...CLIENT, derives: true }, oscoreCrypto, () => broker.clock.now, random);
    const path = [{ number: OPTION.uriPath, value: Buffer.from('t') as Uint8Array }];
    let hub = contexts();
    const exchange = () => {
      const asked = client.seal(CODE.get, path, NOTHING);
      const m: CoapMessage = { type: 0, id: 1, token: NOTHING, ...asked };
      const opened = openRequest(m, hub, random, () => broker.clock.now);
      if (opened.kind === 'refused') {
        const clear = { ...m, code: opened.code, options: [], payload: NOTHING };
        return [opened.kind, client.open(clear, asked.binding)?.renewed];
      }
      const options = opened.kind === 'challenge' ? [opened.echo] : [];
      const answer = opened.protection.seal(CODE.content, options, NOTHING);
      return [opened.kind, client.open({ ...m, ...answer }, asked.binding)?.renewed];
    };
    expect([exchange(), exchange(), exchange()]).toEqual([
      ['challenge', true],
      ['request', false],
      ['request', false],
    ]);
    hub = contexts();
    expect([exchange(), exchange(), exchange(), exchange()]).toEqual([
      ['refused', true],
      ['challenge', true],
      ['request', false],
      ['request', false],
    ]);
  });
});
