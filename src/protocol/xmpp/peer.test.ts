// Streams and logins over the broker in memory: features, TLS, SASL, resources, stream management, silence, and hostile octets.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { type Broker, OPEN, startBroker } from '../../../test/network.ts';
import { conditionOf, XmppClient } from '../../../test/xmpp-client.ts';
import type { Auth } from '../../contract/auth.ts';
import { NEVER } from '../../contract/message.ts';
import type { XmlElement } from './packet.ts';

const FAR = '192.0.2.7:4000';
const TLS = 'urn:ietf:params:xml:ns:xmpp-tls';
const SASL = 'urn:ietf:params:xml:ns:xmpp-sasl';
const SM = 'urn:xmpp:sm:3';

const mechanismsIn = (features: XmlElement): string[] | undefined =>
  features
    .child('mechanisms', SASL)
    ?.elements()
    .map((m) => m.text);

test('a stream, a login, a resource, requests, a goodbye', async () => {
  const broker = await startBroker();
  const client = new XmppClient(broker);
  expect(mechanismsIn(await client.open())).toEqual(['PLAIN', 'ANONYMOUS']);
  await client.login('alice', 'x');
  await client.bind('laptop');
  expect(client.jid).toBe('alice@h/laptop');
  for (const child of ["<ping xmlns='urn:xmpp:ping'/>", "<query xmlns='jabber:iq:roster'/>"])
    expect((await client.ask('get', child)).attribute('type')).toBe('result');
  expect(conditionOf(await client.ask('get', "<x xmlns='urn:none'/>"))).toBe('service-unavailable');
  expect(conditionOf(await client.ask('get', "<ping xmlns='urn:xmpp:ping'/>", 'elsewhere.example'))).toBe(
    'remote-server-not-found',
  );
  client.say('</stream:stream>');
  await client.heard();
  expect([client.over, client.raw.closed]).toEqual([true, true]);
});

test('over WebSocket every message is one element', async () => {
  const broker = await startBroker();
  const raw = broker.connect({ protocol: 'xmpp+ws' });
  const say = async (xml: string): Promise<string[]> => {
    raw.send(Buffer.from(xml));
    await broker.clock.advance(0);
    return raw.takeEach().map((octets) => Buffer.from(octets).toString());
  };
  const open = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='h' version='1.0'/>";
  const [header, features] = await say(open);
  expect(header).toMatch(/^<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='h' id='[0-9a-f]{32}'/);
  expect(features).toMatch(/^<stream:features xmlns:stream='http:\/\/etherx.jabber.org\/streams'>/);
  const plain = Buffer.from('\0anna\0x').toString('base64');
  expect(await say(`<auth xmlns='${SASL}' mechanism='PLAIN'>${plain}</auth>`)).toEqual([
    `<success xmlns='${SASL}'/>`,
  ]);
  await say(open);
  const bind =
    "<iq xmlns='jabber:client' type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
  expect((await say(bind))[0]).toMatch(
    /^<iq xmlns='jabber:client' type='result' id='1'>.*<jid>anna@h\/[0-9a-f]{16}<\/jid>/,
  );
  expect(await say('<open xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>')).toEqual([
    expect.stringContaining('<bad-format '),
    "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>",
  ]);
  expect(raw.closed).toBe(true);
});

describe('STARTTLS', () => {
  test('[RFC6120-5.3.1] from afar it is required: nothing else is offered, and no password is taken', async () => {
    const client = new XmppClient(await startBroker(), { securable: true, remote: FAR });
    const features = await client.open();
    expect(features.elements().map((e) => e.name)).toEqual(['starttls']);
    expect(features.child('starttls', TLS)?.child('required')).toBeDefined();
    client.say(`<auth xmlns='${SASL}' mechanism='PLAIN'>AGEAYg==</auth>`);
    const [failure] = await client.heard();
    expect(failure?.elements()[0]?.name).toBe('encryption-required');
    client.say(`<starttls xmlns='${TLS}'/>`);
    expect((await client.heard()).map((e) => e.name)).toEqual(['proceed']);
    expect(mechanismsIn(await client.open())).toEqual(['PLAIN', 'ANONYMOUS']);
  });

  test('from this machine it is offered, and may be required', async () => {
    const near = { securable: true, remote: '127.0.0.1:4000' };
    const offered = await new XmppClient(await startBroker(), near).open();
    expect(offered.elements().map((e) => e.name)).toEqual(['starttls', 'mechanisms']);
    const strict = await startBroker({ xmpp: { startTls: 'required' } });
    expect((await new XmppClient(strict, near).open()).elements().map((e) => e.name)).toEqual(['starttls']);
  });

  test('[RFC6120-5.4.3.1] what is sent in the clear behind it is not taken for secret', async () => {
    const client = new XmppClient(await startBroker(), { securable: true, remote: FAR });
    await client.open();
    client.say(`<starttls xmlns='${TLS}'/><stream:stream xmlns='jabber:client'`);
    expect(conditionOf((await client.heard()).at(-1))).toBe('policy-violation');
    expect(client.raw.closed).toBe(true);
  });

  test('[RFC6120-5.3.1] a line feed behind it, as go-xmpp sends one, is nothing that could be taken for secret', async () => {
    const client = new XmppClient(await startBroker(), { securable: true, remote: FAR });
    await client.open();
    client.say(`<starttls xmlns='${TLS}'/>\r\n`);
    expect((await client.heard()).map((e) => e.name)).toEqual(['proceed']);
    expect(mechanismsIn(await client.open())).toEqual(['PLAIN', 'ANONYMOUS']);
  });

  test('[RFC6120-5.4.2.2] where there is none', async () => {
    const client = new XmppClient(await startBroker());
    await client.open();
    client.say(`<starttls xmlns='${TLS}'/>`);
    expect((await client.heard()).map((e) => e.name)).toEqual(['failure']);
    expect([client.over, client.raw.closed]).toEqual([true, true]);
  });
});

describe('SASL', () => {
  const NOBODY: Auth = { ...OPEN, identify: async () => 'bad-credentials' };

  test('[RFC6120-6.4.5] so many failures end the stream', async () => {
    const client = new XmppClient(await startBroker({ auth: NOBODY }));
    expect(mechanismsIn(await client.open())).toEqual(['PLAIN']);
    const failures: (string | undefined)[] = [];
    const words = ['AGEAYg==', '!', 'YQ==', '', 'eABhAGI='];
    for (const word of words) {
      client.say(`<auth xmlns='${SASL}' mechanism='PLAIN'>${word}</auth>`);
      const [answer] = await client.heard();
      if (answer?.name === 'challenge') client.say(`<abort xmlns='${SASL}'/>`);
      failures.push((answer?.name === 'challenge' ? (await client.heard())[0] : answer)?.elements()[0]?.name);
    }
    expect(failures).toEqual([
      'not-authorized',
      'incorrect-encoding',
      'malformed-request',
      'aborted',
      'invalid-authzid',
    ]);
    expect([client.over, client.raw.closed]).toEqual([true, true]);
  });

  test('a mechanism that is not offered; nobody without a name', async () => {
    const client = new XmppClient(await startBroker({ auth: NOBODY }));
    await client.open();
    for (const [mechanism, condition] of [
      ['X-UNKNOWN', 'invalid-mechanism'],
      ['SCRAM-SHA-256', 'invalid-mechanism'],
      ['ANONYMOUS', 'not-authorized'],
      ['EXTERNAL', 'not-authorized'],
    ]) {
      client.say(`<auth xmlns='${SASL}' mechanism='${mechanism}'>=</auth>`);
      expect((await client.heard())[0]?.elements()[0]?.name).toBe(condition);
    }
  });

  test('EXTERNAL: who TLS has proved', async () => {
    const identity = { principal: 'dev@x', unrestricted: true, validUntil: NEVER };
    const broker = await startBroker({ auth: { ...OPEN, identify: async () => identity } });
    const client = new XmppClient(broker);
    expect(mechanismsIn(await client.open())).toEqual(['PLAIN', 'EXTERNAL']);
    client.say(`<auth xmlns='${SASL}' mechanism='EXTERNAL'>=</auth>`);
    expect((await client.heard())[0]?.name).toBe('success');
    await client.open();
    await client.bind('r');
    expect(client.jid).toBe('dev\\40x@h/r');
  });

  test('nothing but a login in front of it, and in time', async () => {
    const broker = await startBroker();
    const early = new XmppClient(broker);
    await early.open();
    early.say("<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>");
    expect(conditionOf((await early.heard())[0])).toBe('not-authorized');
    const slow = new XmppClient(broker);
    await slow.open();
    await broker.clock.advance(11_000);
    expect(conditionOf((await slow.heard())[0])).toBe('connection-timeout');
  });
});

test('a domain of its own: others are not served', async () => {
  const broker = await startBroker({ xmpp: { domain: 'hub.example' } });
  const right = new XmppClient(broker, { domain: 'hub.example' });
  await right.open();
  const wrong = new XmppClient(broker, { domain: 'other.example' });
  wrong.header();
  expect((await wrong.heard()).map((e) => conditionOf(e) ?? e.name)).toEqual(['stream', 'host-unknown']);
});

test('[RFC6120-7.7.2.2] the same resource again: the earlier one ends', async () => {
  const broker = await startBroker();
  const first = await XmppClient.connect(broker, 'anna', { resource: 'phone' });
  const second = await XmppClient.connect(broker, 'anna', { resource: 'phone' });
  expect(conditionOf((await first.heard()).at(-1))).toBe('conflict');
  expect([first.raw.closed, second.raw.closed]).toEqual([true, false]);
});

test('a client that is silent is asked, and ends when it does not answer', async () => {
  const broker = await startBroker({ xmpp: { pingMs: 60_000 } });
  const client = await XmppClient.connect(broker, 'anna');
  await broker.clock.advance(61_000);
  const [ping] = await client.heard();
  expect(ping?.elements()[0]?.ns).toBe('urn:xmpp:ping');
  client.say(`<iq type='result' id='${ping?.attribute('id')}'/>`);
  await broker.clock.advance(61_000);
  expect((await client.heard()).length).toBe(1);
  await broker.clock.advance(61_000);
  expect(conditionOf((await client.heard())[0])).toBe('connection-timeout');
});

describe('stream management', () => {
  async function managed(broker: Broker, user: string): Promise<{ client: XmppClient; id: string }> {
    const client = await XmppClient.connect(broker, user);
    client.say(`<enable xmlns='${SM}' resume='true'/>`);
    await broker.clock.advance(200); // a commit may take its time
    const [enabled] = await client.heard();
    expect(enabled?.attribute('resume')).toBe('true');
    return { client, id: enabled!.attribute('id')! };
  }

  async function resume(broker: Broker, user: string, id: string, h: number): Promise<XmppClient> {
    const client = new XmppClient(broker);
    await client.open();
    await client.login(user, 'p');
    client.say(`<resume xmlns='${SM}' previd='${id}' h='${h}'/>`);
    return client;
  }

  const bodies = (stanzas: XmlElement[]): string[] =>
    stanzas.flatMap((e) => (e.name === 'message' ? [e.child('body')!.text] : []));

  test('both sides count; acknowledged is kept', async () => {
    const broker = await startBroker({ commitMs: 50 });
    const { client } = await managed(broker, 'anna');
    client.say("<message to='anna@h'><body>1</body></message>");
    client.say(`<r xmlns='${SM}'/>`);
    await broker.clock.advance(10);
    expect((await client.heard()).map((e) => e.name)).toEqual(['message', 'r']);
    await broker.clock.advance(200);
    expect((await client.heard()).map((e) => [e.name, e.attribute('h')])).toEqual([['a', '1']]);
    client.say(`<a xmlns='${SM}' h='1'/>`);
    await broker.clock.advance(200);
    expect(broker.hub.stats.unsettled).toBe(0);
  });

  test('a lost connection is resumed: what was not acknowledged comes again, and what came meanwhile', async () => {
    const broker = await startBroker();
    const { client, id } = await managed(broker, 'bert');
    const anna = await XmppClient.connect(broker, 'anna');
    const say = async (text: string): Promise<void> => {
      anna.say(`<message to='bert@h/r' type='chat'><body>${text}</body></message>`);
      await anna.heard();
    };
    await say('1');
    await say('2');
    expect(bodies(await client.heard())).toEqual(['1', '2']);
    client.raw.cut();
    await say('3');
    const again = await resume(broker, 'bert', id, 1);
    const [resumed, ...rest] = await again.heard();
    expect([resumed?.name, resumed?.attribute('previd'), bodies(rest)]).toEqual(['resumed', id, ['2', '3']]);
    again.say(`<a xmlns='${SM}' h='3'/>`);
    await again.heard();
    expect(broker.hub.stats.unsettled).toBe(0);
    expect((await again.ask('get', "<ping xmlns='urn:xmpp:ping'/>")).attribute('to')).toBe('bert@h/r');
  });

  test('resumed while the old connection is still thought to be there', async () => {
    const broker = await startBroker();
    const { client, id } = await managed(broker, 'anna');
    const again = await resume(broker, 'anna', id, 0);
    expect((await again.heard())[0]?.name).toBe('resumed');
    expect(conditionOf((await client.heard()).at(-1))).toBe('conflict');
  });

  test('not by somebody else, not too late, and not what was never sent', async () => {
    const broker = await startBroker({ xmpp: { resumeMs: 60_000 } });
    const { client, id } = await managed(broker, 'anna');
    client.raw.cut();
    await broker.clock.advance(0);
    const thief = await resume(broker, 'eve', id, 0);
    expect((await thief.heard())[0]?.name).toBe('failed');
    await thief.bind('own'); // it may go on without
    const wrong = await resume(broker, 'anna', id, 9);
    const error = (await wrong.heard()).at(-1);
    expect(error?.elements().map((e) => e.name)).toContain('handled-count-too-high');
    const { client: second, id: late } = await managed(broker, 'bert');
    second.raw.cut();
    await broker.clock.advance(61_000);
    expect((await (await resume(broker, 'bert', late, 0)).heard())[0]?.name).toBe('failed');
    expect(broker.hub.stats.clients).toBe(1);
  });

  test('who resumes nothing leaves: what it had goes to another resource', async () => {
    const broker = await startBroker({ xmpp: { resumeMs: 60_000 } });
    const { client } = await managed(broker, 'anna');
    client.say("<message to='anna@h'><body>1</body></message>");
    expect(bodies(await client.heard())).toEqual(['1']);
    client.raw.cut();
    const other = await XmppClient.connect(broker, 'anna', { resource: 'other' });
    await broker.clock.advance(61_000);
    expect(bodies(await other.heard())).toEqual(['1']);
  });

  test('an answer that moves nothing is not asked for again at once', async () => {
    const broker = await startBroker();
    const { client } = await managed(broker, 'anna');
    client.say("<message to='anna@h'><body>1</body></message>");
    await client.heard();
    client.say(`<a xmlns='${SM}' h='0'/>`);
    expect(await client.heard()).toEqual([]);
  });
});

describe('hostile octets', () => {
  const HOSTILE: [title: string, xml: string, condition: string][] = [
    ['no XML', 'GET / HTTP/1.1\r\n\r\n', 'bad-format'],
    ['a tag that does not end', `<${'a'.repeat(40_000)}`, 'policy-violation'],
    ['an attribute that does not end', `<a b='${'x'.repeat(40_000)}`, 'policy-violation'],
    [
      'a flood of attributes',
      `<a ${Array.from({ length: 300 }, (_, i) => `a${i}=''`).join(' ')}/>`,
      'policy-violation',
    ],
    ['depth', '<a>'.repeat(2_000), 'policy-violation'],
    ['elements', `<a>${'<b/>'.repeat(20_000)}`, 'policy-violation'],
    ['a billion laughs', "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", 'restricted-xml'],
    ['a comment', '<!-- x -->', 'restricted-xml'],
    ['an end without a beginning', '</a>', 'not-well-formed'],
  ];

  test.each(HOSTILE)('in front of the login: %s', async (_title, xml, condition) => {
    const broker = await startBroker();
    const witness = await XmppClient.connect(broker, 'witness');
    const client = new XmppClient(broker);
    await client.open();
    client.say(xml);
    expect(conditionOf((await client.heard()).at(-1))).toBe(condition);
    expect([client.over, client.raw.closed]).toEqual([true, true]);
    expect((await witness.ask('get', "<ping xmlns='urn:xmpp:ping'/>")).attribute('type')).toBe('result');
  });

  test.each(HOSTILE)('behind it: %s', async (_title, xml, condition) => {
    const broker = await startBroker();
    const client = await XmppClient.connect(broker, 'anna');
    client.say(xml);
    expect(conditionOf((await client.heard()).at(-1))).toBe(condition);
    expect([client.over, client.raw.closed, broker.hub.stats.clients]).toEqual([true, true, 0]);
  });

  test('a stanza that never ends', async () => {
    const broker = await startBroker({ xmpp: { stanzaBytes: 100_000 } });
    const client = await XmppClient.connect(broker, 'anna');
    client.say("<message to='x@h'><body>");
    for (let i = 0; i < 20 && !client.raw.closed; i++) {
      client.say('x'.repeat(10_000));
      await broker.clock.advance(0);
    }
    expect(conditionOf((await client.heard()).at(-1))).toBe('policy-violation');
  });

  test('noise never costs more than its own connection', async () => {
    const broker = await startBroker();
    const bit = fc.constantFrom(
      ...[
        "<iq id='1' type='get'>",
        '</iq>',
        "<iq id='2' type='set' to='pubsub.h'>",
        '<ping xmlns="urn:xmpp:ping"/>',
      ],
      ...[
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'>",
        '</pubsub>',
        "<publish node='n'>",
        '</publish>',
      ],
      ...["<item id='x'>", '</item>', '<items node="n"/>', "<subscribe node='+' jid='anna@h'/>", '<create/>'],
      ...[
        "<message to='anna@h'>",
        '<body>b</body>',
        '</message>',
        '<presence/>',
        "<presence type='unavailable'/>",
      ],
      ...[
        `<enable xmlns='${SM}' resume='1'/>`,
        `<r xmlns='${SM}'/>`,
        `<a xmlns='${SM}' h='1'/>`,
        ' ',
        'x',
        '<',
        "'",
      ],
      ...["<data xmlns='urn:waymeet:message:0'>AA==</data>", "<iq id='3' type='get'><x xmlns='y'/></iq>"],
    );
    await fc.assert(
      fc.asyncProperty(fc.array(bit, { maxLength: 30 }), fc.boolean(), async (bits, whole) => {
        const client = await XmppClient.connect(broker, 'anna', { resource: 'noise' });
        for (const one of whole ? [bits.join('')] : bits) client.say(one);
        await client.heard();
        client.raw.cut();
        await broker.clock.advance(0);
        expect(broker.log.filter((line) => line.startsWith('error'))).toEqual([]);
      }),
      fuzz(150),
    );
    expect(broker.hub.counters.of('xmpp').faults).toBe(0);
    const witness = await XmppClient.connect(broker, 'witness');
    expect((await witness.ask('get', "<ping xmlns='urn:xmpp:ping'/>")).attribute('type')).toBe('result');
  });
});
