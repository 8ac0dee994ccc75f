// One connection: greetings, logins, signs of life, and what ends it, with the standard's own words.

import { describe, expect, test } from 'vitest';
import { Amqp1Client } from '../../../test/amqp1-client.ts';
import { octets } from '../../../test/hex.ts';
import { ScramClient } from '../../../test/judges/scram.ts';
import { type Broker, hex, OPEN as OPEN_AUTH, startBroker, toHex } from '../../../test/network.ts';
import { ScramExchange, scramCredential } from '../../auth/scram.ts';
import type { Identity } from '../../contract/auth.ts';
import { NEVER } from '../../contract/message.ts';
import { encodeComposite } from './composite.ts';
import { AMQP_HEADER, EMPTY_FRAME, encodeSasl, SASL_HEADER } from './frames.ts';
import {
  BEGIN,
  CLOSE,
  DISPOSITION,
  END,
  OPEN,
  type Performative,
  PROPERTIES,
  SASL_INIT,
  SASL_MECHANISMS,
  SASL_OUTCOME,
  SASL_RESPONSE,
} from './packet.ts';
import { amqp1 } from './protocol.ts';

const utf8 = new TextEncoder();
const HEADER = toHex(AMQP_HEADER);

/** Lets alice in, by her password or by SCRAM, and nobody else but who is on loopback. */
async function guarded(): Promise<Broker> {
  const alice: Identity = { principal: 'alice', unrestricted: true, validUntil: NEVER };
  const credential = await scramCredential('wonderland', 4_096, new Uint8Array(16));
  return startBroker({
    auth: {
      ...OPEN_AUTH,
      identify: async ({ username, password, wire }) => {
        if (wire.certificate?.commonName === 'alice') return alice;
        if (username === undefined) return 'not-authorized';
        return username === 'alice' && new TextDecoder().decode(password) === 'wonderland'
          ? alice
          : 'bad-credentials';
      },
      exchange: (mechanism) =>
        mechanism === 'SCRAM-SHA-256'
          ? new ScramExchange({
              find: (name) => (name === 'alice' ? credential : undefined),
              proved: () => alice,
              secret: new Uint8Array(32),
              usualIterations: 4_096,
              nonce: () => 'theirs',
            })
          : undefined,
    },
  });
}

function conditionOf(p: Performative | undefined): string | undefined {
  return p !== undefined && 'error' in p ? p.error?.condition : undefined;
}

describe('greetings [AMQP1-2.2]', () => {
  test.each([
    ['AMQP itself is answered in kind', HEADER, HEADER],
    ['another protocol hears that there is SASL', toHex(utf8.encode('GET / HT')), toHex(SASL_HEADER)],
    ['another version hears the same', '41 4d 51 50 00 01 01 00', toHex(SASL_HEADER)],
    ['TLS within hears the same [AMQP1-5.2]', '41 4d 51 50 02 01 00 00', toHex(SASL_HEADER)],
  ])('%s', async (_what, said, heard) => {
    const broker = await startBroker();
    const raw = broker.connect({ protocol: 'amqp1' });
    raw.send(hex(said));
    await broker.clock.advance(0);
    expect(toHex(raw.take())).toBe(heard);
    expect(raw.closed).toBe(said !== HEADER);
  });

  test('who says nothing is sent away', async () => {
    const broker = await startBroker();
    const raw = broker.connect({ protocol: 'amqp1', limits: { loginMs: 5_000 } });
    raw.send(SASL_HEADER);
    await broker.clock.advance(4_999);
    expect(raw.closed).toBe(false);
    await broker.clock.advance(1);
    expect(raw.closed).toBe(true);
  });

  test('without SASL, open is the login', async () => {
    const [open, shut] = [await startBroker(), await guarded()];
    for (const broker of [open, shut]) {
      const client = new Amqp1Client(broker);
      client.raw.send(AMQP_HEADER);
      client.say(0, { kind: OPEN, containerId: 'c' });
      client.begin(0);
      const heard = (await client.hear()).map(({ p }) => p);
      expect(heard.map(({ kind }) => kind)).toEqual(broker === open ? [OPEN, BEGIN] : [OPEN, CLOSE]);
      expect(conditionOf(heard[1])).toBe(broker === open ? undefined : 'amqp:unauthorized-access');
    }
  });
});

describe('SASL [AMQP1-5.3]', () => {
  const plain = (name: string, password: string) => utf8.encode(`\0${name}\0${password}`);
  const LOGINS: readonly [mechanism: string, response: Uint8Array | undefined, outcome: number][] = [
    ['PLAIN', plain('alice', 'wonderland'), 0],
    ['PLAIN', plain('alice', 'wrong'), 1],
    ['PLAIN', plain('bob', 'wonderland'), 1],
    ['ANONYMOUS', undefined, 1],
    ['EXTERNAL', undefined, 1],
    ['SCRAM-SHA-1', utf8.encode('n,,n=alice,r=x'), 1],
    ['GSSAPI', undefined, 1],
  ];
  test.each(LOGINS)('%s', async (mechanism, initialResponse, outcome) => {
    const client = new Amqp1Client(await guarded());
    client.raw.send(SASL_HEADER);
    await client.hear();
    expect(client.sasl.splice(0)).toEqual([
      { kind: SASL_MECHANISMS, mechanisms: ['SCRAM-SHA-256', 'PLAIN', 'ANONYMOUS'] },
    ]);
    client.saySasl({
      kind: SASL_INIT,
      mechanism,
      ...(initialResponse === undefined ? {} : { initialResponse }),
    });
    await client.hear();
    expect(client.sasl).toEqual([{ kind: SASL_OUTCOME, outcome }]);
    expect(client.raw.closed).toBe(outcome !== 0);
  });

  test.each(['wonderland', 'wrong'])('SCRAM-SHA-256 with password %s', async (password) => {
    const client = new Amqp1Client(await guarded());
    const scram = new ScramClient('alice', password);
    client.raw.send(SASL_HEADER);
    client.saySasl({ kind: SASL_INIT, mechanism: 'SCRAM-SHA-256', initialResponse: scram.first() });
    await settled(client);
    const challenge = client.sasl[1] as unknown as { challenge: Uint8Array };
    client.saySasl({ kind: SASL_RESPONSE, response: scram.answer(Buffer.from(challenge.challenge)) });
    await settled(client);
    const outcome = client.sasl[2] as unknown as { outcome: number; additionalData: Uint8Array };
    expect(outcome.outcome).toBe(password === 'wonderland' ? 0 : 1);
    if (password === 'wonderland') scram.check(Buffer.from(outcome.additionalData));
  });

  test('EXTERNAL is offered to who showed a certificate', async () => {
    const identity = { certificate: { commonName: 'alice', fingerprint: '00' } };
    const client = new Amqp1Client(await guarded(), { identity, secure: true });
    client.raw.send(SASL_HEADER);
    client.saySasl({ kind: SASL_INIT, mechanism: 'EXTERNAL' });
    await client.hear();
    expect(client.sasl).toEqual([
      { kind: SASL_MECHANISMS, mechanisms: ['EXTERNAL', 'SCRAM-SHA-256', 'PLAIN', 'ANONYMOUS'] },
      { kind: SASL_OUTCOME, outcome: 0 },
    ]);
  });

  test('everything may come at once, before anything is answered', async () => {
    const client = new Amqp1Client(await guarded());
    const login = {
      kind: SASL_INIT,
      mechanism: 'PLAIN',
      initialResponse: plain('alice', 'wonderland'),
    } as const;
    client.raw.send(Buffer.concat([SASL_HEADER, encodeSasl(login), AMQP_HEADER]));
    client.say(0, { kind: OPEN, containerId: 'c' });
    client.begin(3);
    expect((await client.hear()).map(({ p, channel }) => [p.kind, channel])).toEqual([
      [OPEN, 0],
      [BEGIN, 3],
    ]);
  });
});

/** Exchanges take real time, for they hash. */
async function settled(client: Amqp1Client): Promise<void> {
  const before = client.sasl.length;
  for (let i = 0; i < 1_000 && client.sasl.length === before; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    await client.hear();
  }
}

describe('signs of life [AMQP1-2.4.5]', () => {
  test('the hub sends them as often as the client wants', async () => {
    const broker = await startBroker();
    const client = new Amqp1Client(broker);
    client.raw.send(AMQP_HEADER);
    client.say(0, { kind: OPEN, containerId: 'c', idleTimeOut: 1_000 });
    await client.hear();
    await broker.clock.advance(499);
    expect(client.raw.take().length).toBe(0);
    await broker.clock.advance(1_001);
    expect(toHex(client.raw.take())).toBe([EMPTY_FRAME, EMPTY_FRAME, EMPTY_FRAME].map(toHex).join(' '));
  });

  test('a client that is silent for twice the time that it was told is closed', async () => {
    const broker = await startBroker({ protocols: [amqp1({ idleMs: 1_000 })] });
    const client = await new Amqp1Client(broker).open();
    await broker.clock.advance(1_900);
    client.raw.send(EMPTY_FRAME);
    await broker.clock.advance(1_900);
    expect(await client.hear()).toEqual([]);
    await broker.clock.advance(100);
    expect((await client.heardOf(CLOSE)).map(conditionOf)).toEqual(['amqp:resource-limit-exceeded']);
    expect(client.raw.closed).toBe(false);
    client.say(0, { kind: CLOSE });
    await client.hear();
    expect(client.raw.closed).toBe(true);
  });

  test('one that wants to hear more often than is sensible is told so', async () => {
    const client = new Amqp1Client(await startBroker());
    client.raw.send(AMQP_HEADER);
    client.say(0, { kind: OPEN, containerId: 'c', idleTimeOut: 5 });
    expect((await client.heardOf(CLOSE)).map(conditionOf)).toEqual(['amqp:not-allowed']);
  });
});

describe('what ends the connection', () => {
  const FAULTS: readonly [why: string, octets: string, condition: string][] = [
    ['a frame larger than allowed', '7f ff ff ff 02 00 00 00', 'amqp:connection:framing-error'],
    ['a frame smaller than its head', '00 00 00 07 02 00 00 00', 'amqp:connection:framing-error'],
    ['a body that begins within the head', '00 00 00 08 01 00 00 00', 'amqp:connection:framing-error'],
    ['a body that begins behind the frame', '00 00 00 08 03 00 00 00', 'amqp:connection:framing-error'],
    ['no such frame type', '00 00 00 08 02 07 00 00', 'amqp:connection:framing-error'],
    ['SASL after the login', '00 00 00 08 02 01 00 00', 'amqp:connection:framing-error'],
    ['no performative', '00 00 00 09 02 00 00 00 40', 'amqp:decode-error'],
    ['no such performative', '00 00 00 0c 02 00 00 00 00 53 19 45', 'amqp:decode-error'],
    ['a flow without its windows', '00 00 00 0c 02 00 00 00 00 53 13 45', 'amqp:decode-error'],
    ['an open that comes again', "00 00 00 11 02 00 00 00 00 53 10 c0 04 01 a1 01 'c'", 'amqp:illegal-state'],
    ['a session that has not begun', '00 00 00 0c 02 00 00 07 00 53 17 45', 'amqp:illegal-state'],
    [
      'a session beyond those allowed [AMQP1-2.7.1]',
      '00 00 00 13 02 00 ff 00 00 53 11 c0 06 04 40 43 52 09 43',
      'amqp:connection:framing-error',
    ],
    [
      'a session where there is one',
      '00 00 00 13 02 00 00 00 00 53 11 c0 06 04 40 43 52 09 43',
      'amqp:not-allowed',
    ],
    [
      'an array of 2^27 nulls in an attach',
      "00 00 00 22 02 00 00 00 00 53 12 c0 15 09 a1 01 'x' 43 41 40 40 40 40 f0 00 00 00 05 08 00 00 00 40 40",
      'amqp:decode-error',
    ],
  ];
  test.each(FAULTS)('%s', async (_why, written, condition) => {
    const broker = await startBroker();
    const client = await new Amqp1Client(broker).open();
    const other = await new Amqp1Client(broker).open('other');
    client.raw.send(octets(written));
    expect((await client.heardOf(CLOSE)).map(conditionOf)).toEqual([condition]);
    await broker.clock.run();
    expect(client.raw.closed).toBe(true);
    other.say(0, { kind: END });
    expect((await other.hear()).map(({ p }) => p.kind)).toEqual([END]);
  });

  test('before the login, what is announced is bounded more tightly', async () => {
    const client = new Amqp1Client(await startBroker());
    client.raw.send(SASL_HEADER);
    client.raw.send(octets('00 00 50 00 02 01 00 00'));
    await client.hear();
    expect(client.raw.closed).toBe(true);
  });

  test('[AMQP1-2.7.2] a handle beyond those that were announced', async () => {
    const client = await new Amqp1Client(await startBroker()).open();
    client.send(1_024, { address: 'a' });
    expect((await client.heardOf(CLOSE)).map(conditionOf)).toEqual(['amqp:connection:framing-error']);
  });

  test('a frame that a client says it cannot take is none of ours', async () => {
    const client = new Amqp1Client(await startBroker());
    client.raw.send(AMQP_HEADER);
    client.say(0, { kind: OPEN, containerId: 'c', maxFrameSize: 100 });
    expect((await client.heardOf(CLOSE)).map(conditionOf)).toEqual(['amqp:invalid-field']);
  });

  test('an administrator', async () => {
    const broker = await startBroker();
    const client = await new Amqp1Client(broker).open();
    const [view] = [...broker.hub.inspection.clients()];
    expect(broker.hub.disconnect('amqp1', view!.client)).toBe(true);
    expect((await client.heardOf(CLOSE)).map(conditionOf)).toEqual(['amqp:connection:forced']);
    await broker.clock.advance(5_000);
    expect(client.raw.closed).toBe(true);
  });
});

describe('a user id [AMQP1-3.2.4]', () => {
  /** A message with nothing but the user id `alice`, published by who logged in without a name. */
  async function outcome(broker: Broker): Promise<string> {
    const client = new Amqp1Client(broker);
    client.raw.send(AMQP_HEADER);
    client.say(0, { kind: OPEN, containerId: 'nobody' });
    client.begin(0);
    client.send(0, { address: 'a' });
    await client.hear();
    client.transfer(0, encodeComposite(PROPERTIES, { userId: utf8.encode('alice') }));
    const [answer] = await client.heardOf(DISPOSITION);
    return answer!.state!.error?.condition ?? 'accepted';
  }

  test('is as good as any where nobody is asked', async () => {
    expect(await outcome(await startBroker())).toBe('accepted');
  });

  test('is not taken from a guest whose rights are limited', async () => {
    const guest: Identity = { principal: 'guest', unrestricted: false, validUntil: NEVER };
    const auth = { ...OPEN_AUTH, identify: async () => guest, allows: () => true };
    expect(await outcome(await startBroker({ auth }))).toBe('amqp:unauthorized-access');
  });
});
