// XML as XMPP has it: what is read and what is not, and the laws: written is read back, however it is cut; noise is pieces or StreamFault.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { Message, type Meta, NEVER } from '../../contract/message.ts';
import { fromBase64, toBase64 } from './base64.ts';
import { NO_SCOPE, parseElement } from './decode.ts';
import { ALONE, encodeElement, IN_STREAM } from './encode.ts';
import { StreamFault } from './fault.ts';
import { type Incoming, StreamFraming } from './framing.ts';
import { bareOf, formatJid, localOf, parseJid } from './jid.ts';
import { ITEM, itemOf, messageOfItem, publishedContents } from './map.ts';
import { element, NS, XmlElement, type XmlLimits } from './packet.ts';
import type { Budget } from './scan.ts';

const LIMITS: XmlLimits = { stanzaBytes: 20_000, tagBytes: 1_000, attributes: 16, elements: 200, depth: 20 };
const HEADER = `<?xml version='1.0'?>\n<stream:stream xmlns='jabber:client' xmlns:stream='${NS.streams}' to='h' version='1.0'>`;

function framing(budget: Budget = { gathering: 0, limit: 1e6 }): StreamFraming {
  return new StreamFraming(LIMITS, budget);
}

/** Reads a stream that comes in chunks; in front of and behind each lies what must not be read. */
function read(chunks: readonly Uint8Array[], reader = framing()): Incoming[] {
  const found: Incoming[] = [];
  for (const chunk of chunks) {
    const bytes = Buffer.concat([Buffer.from('<<'), chunk, Buffer.from('<>')]);
    const end = 2 + chunk.length;
    for (let at = 2; at < end; at = reader.at) {
      const incoming = reader.next(bytes, at, end);
      if (incoming === undefined) break;
      found.push(incoming);
    }
  }
  return found;
}

const octets = (text: string): Uint8Array => new TextEncoder().encode(text);

function conditionOf(act: () => unknown): string {
  try {
    act();
  } catch (why) {
    if (why instanceof StreamFault) return why.condition;
    throw why;
  }
  return 'fine';
}

const inStream = (xml: string): string => conditionOf(() => read([octets(HEADER), octets(xml)]));

describe('what is no XML, or not XMPP', () => {
  const BAD: [xml: string, condition: string][] = [
    ['<a></b>', 'not-well-formed'],
    ['<a><b></a>', 'not-well-formed'],
    ['<a><b c=""><d/></b ></ a>', 'not-well-formed'],
    ['<a b=1/>', 'not-well-formed'],
    ["<a b='1' b='2'/>", 'not-well-formed'],
    ["<a xmlns:p='u' xmlns:q='u' p:x='1' q:x='2'/>", 'not-well-formed'],
    ['<p:a/>', 'not-well-formed'],
    ["<a p:x='1'/>", 'not-well-formed'],
    ["<a b='<'/>", 'not-well-formed'],
    ['<a>&nbsp;</a>', 'not-well-formed'],
    ['<a>&</a>', 'not-well-formed'],
    ['<a>&#0;</a>', 'not-well-formed'],
    ['<a>&#xd800;</a>', 'not-well-formed'],
    ['<a>&#x110000;</a>', 'not-well-formed'],
    ['<a>\u0001</a>', 'not-well-formed'],
    ['<a>]]></a>', 'not-well-formed'],
    ['<1a/>', 'not-well-formed'],
    ['<a:b:c/>', 'not-well-formed'],
    ["<a xmlns:p=''/>", 'not-well-formed'],
    ["<a xmlns:xml='u'/>", 'not-well-formed'],
    ["<a xmlns:xmlns='u'/>", 'not-well-formed'],
    ["<a b='1'c='2'/>", 'not-well-formed'],
    ['<a><!-- x --></a>', 'restricted-xml'],
    ['<!-- x -->', 'restricted-xml'],
    ['<?php x ?>', 'restricted-xml'],
    ['<a><?php x ?></a>', 'restricted-xml'],
    ["<!DOCTYPE a [<!ENTITY b 'c'>]>", 'restricted-xml'],
    ['text', 'bad-format'],
    ['</other>', 'not-well-formed'],
    [`<a>${'<b>'.repeat(30)}`, 'policy-violation'],
    [`<a>${'<b/>'.repeat(300)}`, 'policy-violation'],
    [`<${'a'.repeat(2_000)}`, 'policy-violation'],
    [`<a ${'x'.repeat(2_000)}`, 'policy-violation'],
    [`<a b='${'x'.repeat(2_000)}`, 'policy-violation'],
    [`<a ${Array.from({ length: 20 }, (_, i) => `a${i}=''`).join(' ')}/>`, 'policy-violation'],
    [`<a>${'x'.repeat(30_000)}`, 'policy-violation'],
    [`<a><![CDATA[${'x'.repeat(30_000)}`, 'policy-violation'],
  ];
  test.each(BAD)('%.60s: %s', (xml, condition) => expect(inStream(xml)).toBe(condition));

  const HEADERS: [header: string, condition: string][] = [
    ["<?xml version='1.1'?><stream:stream", 'unsupported-encoding'],
    ["<?xml version='1.0' encoding='latin1'?><a>", 'unsupported-encoding'],
    ["<stream:stream xmlns='jabber:client' xmlns:stream='u'>", 'invalid-namespace'],
    [`<stream:stream xmlns='jabber:server' xmlns:stream='${NS.streams}'>`, 'invalid-namespace'],
    [`<stream:stream xmlns='jabber:client'>`, 'not-well-formed'],
    [`<stream:stream xmlns='jabber:client' xmlns:stream='${NS.streams}'/>`, 'not-well-formed'],
    ['GET / HTTP/1.1\r\n', 'bad-format'],
    ['</stream:stream>', 'not-well-formed'],
  ];
  test.each(HEADERS)('%.60s: %s', (header, condition) => {
    const whole = header.endsWith('stream:stream') ? `${header}>` : header;
    expect(conditionOf(() => read([octets(whole)]))).toBe(condition);
  });

  test('octets that are not UTF-8', () => {
    const bad = Uint8Array.of(0x3c, 0x61, 0x3e, 0xc3, 0x28, 0x3c, 0x2f, 0x61, 0x3e);
    expect(conditionOf(() => read([octets(HEADER), bad]))).toBe('unsupported-encoding');
  });

  test('what is gathered is counted for all, and given back', () => {
    const budget = { gathering: 0, limit: 5_000 };
    const [one, other] = [framing(budget), framing(budget)];
    read([octets(HEADER), octets(`<a>${'x'.repeat(4_000)}`)], one);
    expect(budget.gathering).toBe(4_003);
    expect(conditionOf(() => read([octets(HEADER), octets(`<a>${'x'.repeat(4_000)}`)], other))).toBe(
      'resource-constraint',
    );
    read([octets('</a>')], one);
    other.close();
    expect(budget.gathering).toBe(0);
  });
});

test.each([
  ['<a/>', new XmlElement('a', 'jabber:client')],
  ['<a>x&lt;&#x41;&amp;y</a>', element('a', NS.client, {}, ['x<A&y'])],
  ['<a>1<![CDATA[<b>&]]>2</a>', element('a', NS.client, {}, ['1<b>&2'])],
  ["<a b='&apos;\t&#10;'/>", element('a', NS.client, { b: "' \n" })],
  ["<p:a xmlns:p='u' p:b='1' c='2'/>", element('a', 'u', { '{u}b': '1', c: '2' })],
  ["<a xml:lang='de'>x\r\ny\rz</a>", element('a', NS.client, { 'xml:lang': 'de' }, ['x\ny\nz'])],
  ["<a xmlns=''><b/></a>", element('a', '', {}, [element('b', '')])],
  ['<ä:ö xmlns:ä="u"/>', element('ö', 'u')],
  ['<stream:features/>', element('features', NS.streams)],
])('%s', (xml, expected) => {
  const [, stanza] = read([octets(HEADER + xml)]);
  expect(stanza).toEqual({ kind: 'stanza', element: expected });
});

const name = fc.constantFrom('a', 'bc', 'é', 'x-1', '_y.z');
const words = fc.string({
  unit: fc.constantFrom('a', '<', '>', '&', '"', "'", ']', '\n', '\t', '\r', ' ', 'ä', '\u{1f321}'),
  maxLength: 8,
});
const namespace = fc.constantFrom('jabber:client', 'u', 'urn:"<&>', '');

const tree: fc.Arbitrary<XmlElement> = fc.letrec<{ e: XmlElement }>((tie) => ({
  e: fc
    .record({
      name,
      ns: namespace,
      attributes: fc.uniqueArray(
        fc.tuple(fc.oneof(name, fc.constant('{u}q'), fc.constant('xml:lang')), words),
        {
          selector: ([key]) => key,
          maxLength: 4,
        },
      ),
      children: fc.array(fc.oneof({ maxDepth: 3 }, words, tie('e')), { maxLength: 3 }),
    })
    .map(
      ({ name, ns, attributes, children }) => new XmlElement(name, ns, new Map(attributes), joined(children)),
    ),
})).e;

/** Text that stands together is one text. */
function joined(children: readonly (XmlElement | string)[]): (XmlElement | string)[] {
  const found: (XmlElement | string)[] = [];
  for (const child of children) {
    const last = found.at(-1);
    if (typeof child === 'string' && typeof last === 'string') found[found.length - 1] = last + child;
    else if (child !== '') found.push(child);
  }
  return found;
}

describe('laws', () => {
  test('what is written is read back, in a stream however it is cut, and alone', () => {
    fc.assert(
      fc.property(
        fc.array(tree, { maxLength: 4 }),
        fc.array(fc.nat(200), { maxLength: 12 }),
        (trees, cuts) => {
          const xml = octets(HEADER + trees.map((e) => encodeElement(e, IN_STREAM)).join(' \n'));
          const chunks: Uint8Array[] = [];
          let at = 0;
          for (const cut of cuts) {
            chunks.push(xml.subarray(at, at + cut));
            at = Math.min(xml.length, at + cut);
          }
          chunks.push(xml.subarray(at), octets('</stream:stream >'));
          const [header, ...rest] = read(chunks);
          expect(header?.kind).toBe('header');
          expect(rest.pop()?.kind).toBe('end');
          expect(rest).toEqual(trees.map((e) => ({ kind: 'stanza', element: e })));
          for (const e of trees) expect(parseElement(encodeElement(e, ALONE), NO_SCOPE, LIMITS)).toEqual(e);
        },
      ),
      fuzz(300),
    );
  });

  test('noise is stanzas or StreamFault, and one octet at a time the same', () => {
    const bit = fc.constantFrom(
      '<',
      '>',
      '/',
      'a',
      '=',
      "'",
      '"',
      ' ',
      '&',
      ';',
      '!',
      '[CDATA[',
      ']]>',
      '?',
      'xmlns',
      ':',
    );
    fc.assert(
      fc.property(fc.array(bit, { maxLength: 40 }), (bits) => {
        const xml = octets(bits.join(''));
        const outcome = (chunks: Uint8Array[]): unknown => {
          const reader = framing();
          read([octets(HEADER)], reader);
          const found: unknown[] = [];
          for (const chunk of chunks) {
            try {
              found.push(...read([chunk], reader));
            } catch (why) {
              if (!(why instanceof StreamFault)) throw why;
              return 'broken';
            }
          }
          return found;
        };
        expect(outcome(Array.from(xml, (octet) => Uint8Array.of(octet)))).toEqual(outcome([xml]));
      }),
      fuzz(2_000),
    );
  });

  test('base64 there and back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
        expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
        expect(fromBase64(` ${toBase64(bytes)}\n`)).toEqual(bytes);
      }),
      fuzz(300),
    );
  });
  test.each(['a', 'ab=', '====', 'ab!=', 'YR==', 'YWI=YWI='])('%s is no base64', (text) =>
    expect(fromBase64(text)).toBeUndefined(),
  );

  test('a message with any payload and properties comes back, from the hub and to it', () => {
    const origin = { protocol: 'xmpp', client: 'a@h/r', principal: 'a' };
    const value = fc.oneof(
      words,
      fc.integer(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n }),
      fc.boolean(),
      fc.uint8Array(),
    );
    const meta: fc.Arbitrary<Meta> = fc.record(
      {
        contentType: fc.constantFrom(
          'text/plain',
          'application/json',
          'application/octet-stream',
          'a/b;c="d"',
        ),
        contentEncoding: fc.constant('gzip'),
        responseTopic: words,
        correlation: fc.oneof(words, fc.uint8Array(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
        messageId: fc.constantFrom('i', '7'),
        priority: fc.nat(255),
        createdAt: fc.nat(4e9),
        groupId: words,
        groupSequence: fc.nat(),
        user: fc.array(fc.record({ name: words, value }), { minLength: 1, maxLength: 3 }),
      },
      { requiredKeys: [] },
    );
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 30 }),
      words.map(octets),
      fc.constant(octets('{"a":1}')),
    );
    fc.assert(
      fc.property(payload, meta, (body, has) => {
        const m = new Message('t', body, 1, false, origin, 5, NEVER, has);
        const terms = {
          topic: 't',
          origin,
          now: 5,
          qos: 1,
          retain: false,
          id: undefined,
          expiresAt: NEVER,
        } as const;
        const id = { ...terms, id: has.messageId as string | undefined };
        for (const contents of [itemOf(m, NS.pubsub).children, publishedContents(m, 5)]) {
          const xml = encodeElement(element('item', NS.pubsub, {}, contents), ALONE);
          const back = messageOfItem(parseElement(xml, NO_SCOPE, LIMITS), id);
          expect(Buffer.from(back.payload)).toEqual(Buffer.from(body));
          const { text: _text, ...said } = back.meta ?? {};
          expect(said).toEqual(has);
        }
      }),
      fuzz(300),
    );
  });
});

test('an XML payload is the element itself, in any surroundings, and what only looks like one is text', () => {
  const origin = { protocol: 'mqtt', client: 'c', principal: 'anna' };
  const xmlOf = (payload: string, contentType: string): string => {
    const m = new Message('t', octets(payload), 1, false, origin, 5, NEVER, { contentType });
    return Buffer.from(m.frame(ITEM)).toString();
  };
  const head = "<item id='current' publisher='anna@mqtt/c'>";
  expect(xmlOf('<a b="1"><c/></a>', 'application/xml')).toBe(`${head}<a xmlns='' b='1'><c/></a></item>`);
  expect(xmlOf("<?xml version='1.0'?><a xmlns='u'/>", 'text/xml')).toBe(
    `${head}<a xmlns='u'/><properties xmlns='${NS.message}' content-type='text/xml'/></item>`,
  );
  for (const no of ['<a>', '<!DOCTYPE a><a/>', '<a/><b/>', `<data xmlns='${NS.message}'>!</data>`])
    expect(xmlOf(no, 'application/xml')).toContain(`<text xmlns='${NS.message}' type='application/xml'>`);
});

test.each([
  ['a@b/c', { local: 'a', domain: 'b', resource: 'c' }],
  ['b', { local: '', domain: 'b', resource: '' }],
  ['a@B/c@d/e', { local: 'a', domain: 'b', resource: 'c@d/e' }],
  ['[::1]', { local: '', domain: '[::1]', resource: '' }],
  ['@b', undefined],
  ['a@', undefined],
  ['a@b/', undefined],
  ['a b@c', undefined],
  ['', undefined],
  [`${'a'.repeat(1_024)}@b`, undefined],
])('the address %s', (text, jid) => {
  expect(parseJid(text)).toEqual(jid);
  if (jid !== undefined) expect(parseJid(formatJid(jid))).toEqual(jid);
  if (jid !== undefined) expect(bareOf(jid)).not.toContain('/');
});

test.each([
  ['anna', 'anna'],
  ['anna@example.org', 'anna\\40example.org'],
  ["a b/c:d'e", 'a\\20b\\2fc\\3ad\\27e'],
  ['back\\slash\\40', 'back\\slash\\5c40'],
])('[XEP-0106] the user %s is %s', (user, local) => expect(localOf(user)).toBe(local));
