// MQTT packets at random, as the standard allows them: for laws about the codec, the peer and whole brokers.

import fc from 'fast-check';
import type { Qos } from '../../src/contract/message.ts';
import type {
  Acknowledgement,
  Auth,
  Connack,
  Connect,
  Disconnect,
  Level,
  Packet,
  Ping,
  Properties,
  Publish,
  Suback,
  Subscribe,
  SubscribeEntry,
  Unsuback,
  Unsubscribe,
  Will,
} from '../../src/protocol/mqtt/packet.ts';
import { type Role, reasonCodes } from '../../src/protocol/mqtt/reason.ts';

/** Seed and number of runs of a law: fixed, unless FUZZ_SEED and FUZZ_RUNS say otherwise. */
export function fuzz(runs: number): { seed: number; numRuns: number } {
  return {
    seed: Number(process.env.FUZZ_SEED ?? 20_190_307),
    numRuns: Number(process.env.FUZZ_RUNS ?? runs),
  };
}

/** Text without U+0000 and lone surrogates, with every width of UTF-8, sometimes longer than a fast path. */
export function text(maxLength = 12): fc.Arbitrary<string> {
  const unit = fc.constantFrom(
    ...'abcXYZ019 /$-_',
    '\u{1}',
    '\u{7f}',
    'é',
    '߿',
    'ࠀ',
    '\ufeff',
    '\uffff',
    '😀',
  );
  return fc.oneof(
    { weight: 6, arbitrary: fc.string({ unit, maxLength }) },
    { weight: 1, arbitrary: fc.string({ unit, minLength: 38, maxLength: 90 }) },
  );
}

/** A topic name: no wildcard, at least one character. */
export function topicName(): fc.Arbitrary<string> {
  return fc.oneof(
    text().filter((t) => t.length > 0),
    fc
      .array(fc.constantFrom('', 'a', 'b', 'sensors', '$SYS'), { minLength: 2, maxLength: 6 })
      .map((l) => l.join('/')),
  );
}

/** A well-formed topic filter, not shared. */
export function topicFilter(): fc.Arbitrary<string> {
  const level = fc.constantFrom('', 'a', 'b', 'sensors', '+', 'é');
  return fc
    .tuple(fc.array(level, { minLength: 1, maxLength: 5 }), fc.boolean())
    .map(([levels, all]) => [...levels, ...(all ? ['#'] : [])].join('/'))
    .filter((filter) => filter.length > 0);
}

export function sharedFilter(): fc.Arbitrary<string> {
  return topicFilter().map((filter) => `$share/group/${filter}`);
}

export function octetString(maxLength = 24): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ maxLength });
}

const u16 = fc.integer({ min: 0, max: 0xffff });
const positiveU16 = fc.integer({ min: 1, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const positiveU32 = fc.integer({ min: 1, max: 0xffff_ffff });
const bit = fc.constantFrom<0 | 1>(0, 1);
const qos = fc.constantFrom<Qos>(0, 1, 2);
const user = fc.array(fc.tuple(text(), text()), { minLength: 1, maxLength: 3 });
const subscriptionIdentifier = fc.oneof(
  fc.constantFrom(1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455),
  fc.integer({ min: 1, max: 268_435_455 }),
);

type Fields = { [K in keyof Properties]?: fc.Arbitrary<NonNullable<Properties[K]>> };

/** Any choice of `fields`. */
function properties(fields: Fields): fc.Arbitrary<Properties> {
  return fc.record(fields as Record<string, fc.Arbitrary<unknown>>, {
    requiredKeys: [],
  }) as fc.Arbitrary<Properties>;
}

/** Authentication data only beside a method. */
function authenticated(from: fc.Arbitrary<Properties>): fc.Arbitrary<Properties> {
  return fc
    .tuple(from, fc.boolean(), text(), fc.option(octetString()))
    .map(([p, methodic, method, octets]) => {
      if (!methodic) return p;
      return octets === null
        ? { ...p, authenticationMethod: method }
        : { ...p, authenticationMethod: method, authenticationData: octets };
    });
}

const MESSAGE: Fields = {
  payloadFormatIndicator: bit,
  messageExpiryInterval: u32,
  contentType: text(),
  responseTopic: topicName(),
  correlationData: octetString(),
  userProperty: user,
};
const LIMITS: Fields = {
  sessionExpiryInterval: u32,
  receiveMaximum: positiveU16,
  maximumPacketSize: positiveU32,
  topicAliasMaximum: u16,
  userProperty: user,
};
const REASON: Fields = { reasonString: text(), userProperty: user };

function at5(level: Level, p: fc.Arbitrary<Properties>): fc.Arbitrary<Properties> {
  return level === 5 ? p : fc.constant({});
}

/** A reason code of MQTT 5, or success where `level` has none. */
function code(level: Level, type: number, from: Role): fc.Arbitrary<number> {
  return level === 5 ? fc.constantFrom(...reasonCodes(type, from)) : fc.constant(0);
}

function will(level: Level): fc.Arbitrary<Will> {
  return fc.record({
    topic: topicName(),
    payload: octetString(),
    qos,
    retain: fc.boolean(),
    properties: at5(level, properties({ ...MESSAGE, willDelayInterval: u32 })),
  });
}

export function connect(level: Level): fc.Arbitrary<Connect> {
  const own = { ...LIMITS, requestResponseInformation: bit, requestProblemInformation: bit };
  return fc
    .record({
      type: fc.constant(1 as const),
      level: fc.constant(level),
      bridge: level === 5 ? fc.constant(false) : fc.boolean(),
      clean: fc.boolean(),
      keepAlive: u16,
      clientId: text(),
      will: fc.option(will(level), { nil: undefined }),
      username: fc.option(text(), { nil: undefined }),
      password: fc.option(octetString(), { nil: undefined }),
      properties: at5(level, authenticated(properties(own))),
    })
    .map((p) => (level !== 5 && p.username === undefined ? { ...p, password: undefined } : p));
}

export function connack(level: Level): fc.Arbitrary<Connack> {
  const own: Fields = {
    ...LIMITS,
    ...REASON,
    maximumQos: bit,
    retainAvailable: bit,
    assignedClientIdentifier: text(),
    wildcardSubscriptionAvailable: bit,
    subscriptionIdentifierAvailable: bit,
    sharedSubscriptionAvailable: bit,
    serverKeepAlive: u16,
    responseInformation: text(),
    serverReference: text(),
  };
  const codes = level === 5 ? code(level, 2, 'server') : fc.integer({ min: 0, max: 5 });
  return fc
    .record({
      type: fc.constant(2 as const),
      sessionPresent: fc.boolean(),
      code: codes,
      properties: at5(level, authenticated(properties(own))),
    })
    .map((p) => ({ ...p, sessionPresent: p.sessionPresent && p.code === 0 && level !== 3 }));
}

export function publish(level: Level, from: Role): fc.Arbitrary<Publish> {
  const own: Fields = { ...MESSAGE, topicAlias: positiveU16 };
  if (from === 'server')
    own.subscriptionIdentifier = fc.array(subscriptionIdentifier, { minLength: 1, maxLength: 3 });
  return fc
    .record({
      type: fc.constant(3 as const),
      dup: fc.boolean(),
      qos,
      retain: fc.boolean(),
      topic: topicName(),
      id: positiveU16,
      properties: at5(level, properties(own)),
      payload: octetString(300),
    })
    .chain((p) => {
      const sent = { ...p, dup: p.dup && p.qos > 0, id: p.qos > 0 ? p.id : 0 };
      // An alias may stand for the topic.
      return p.properties.topicAlias === undefined
        ? fc.constant(sent)
        : fc.constantFrom(sent, { ...sent, topic: '' });
    });
}

export function acknowledgement(level: Level, from: Role): fc.Arbitrary<Acknowledgement> {
  return fc.constantFrom<Acknowledgement['type']>(4, 5, 6, 7).chain((type) =>
    fc.record({
      type: fc.constant(type),
      id: positiveU16,
      code: code(level, type, from),
      properties: at5(level, properties(REASON)),
    }),
  );
}

function entry(level: Level): fc.Arbitrary<SubscribeEntry> {
  const asked = level === 5 ? fc.boolean() : fc.constant(false);
  return fc
    .record({
      filter: fc.oneof(topicFilter(), sharedFilter()),
      qos,
      noLocal: asked,
      retainAsPublished: asked,
      retainHandling: level === 5 ? fc.constantFrom<0 | 1 | 2>(0, 1, 2) : fc.constant<0>(0),
    })
    .map((e) => ({ ...e, noLocal: e.noLocal && !e.filter.startsWith('$share/') }));
}

export function subscribe(level: Level): fc.Arbitrary<Subscribe> {
  return fc.record({
    type: fc.constant(8 as const),
    id: positiveU16,
    entries: fc.array(entry(level), { minLength: 1, maxLength: 4 }),
    properties: at5(
      level,
      properties({ subscriptionIdentifier: fc.tuple(subscriptionIdentifier), userProperty: user }),
    ),
  });
}

export function suback(level: Level): fc.Arbitrary<Suback> {
  const one = level === 5 ? code(level, 9, 'server') : fc.constantFrom(0, 1, 2, 0x80);
  return fc.record({
    type: fc.constant(9 as const),
    id: positiveU16,
    codes: fc.array(one, { minLength: 1, maxLength: 4 }),
    properties: at5(level, properties(REASON)),
  });
}

export function unsubscribe(level: Level): fc.Arbitrary<Unsubscribe> {
  return fc.record({
    type: fc.constant(10 as const),
    id: positiveU16,
    filters: fc.array(topicFilter(), { minLength: 1, maxLength: 4 }),
    properties: at5(level, properties({ userProperty: user })),
  });
}

export function unsuback(level: Level): fc.Arbitrary<Unsuback> {
  return fc.record({
    type: fc.constant(11 as const),
    id: positiveU16,
    codes:
      level === 5 ? fc.array(code(level, 11, 'server'), { minLength: 1, maxLength: 4 }) : fc.constant([]),
    properties: at5(level, properties(REASON)),
  });
}

export function ping(from: Role): fc.Arbitrary<Ping> {
  return fc.constant({ type: from === 'client' ? 12 : 13 });
}

export function disconnect(level: Level, from: Role): fc.Arbitrary<Disconnect> {
  const own: Fields =
    from === 'client' ? { ...REASON, sessionExpiryInterval: u32 } : { ...REASON, serverReference: text() };
  return fc.record({
    type: fc.constant(14 as const),
    code: code(level, 14, from),
    properties: at5(level, properties(own)),
  });
}

/** Of MQTT 5 alone. */
export function auth(from: Role): fc.Arbitrary<Auth> {
  const method = fc.record(
    {
      authenticationMethod: text(),
      authenticationData: octetString(),
      reasonString: text(),
      userProperty: user,
    },
    { requiredKeys: ['authenticationMethod'] },
  );
  return fc.record({
    type: fc.constant(15 as const),
    code: code(5, 15, from),
    properties: method as fc.Arbitrary<Properties>,
  });
}

/** Any packet that `from` may send on a connection of `level`. */
export function packet(level: Level, from: Role): fc.Arbitrary<Packet> {
  const both: fc.Arbitrary<Packet>[] = [publish(level, from), acknowledgement(level, from), ping(from)];
  if (level === 5) both.push(auth(from), disconnect(level, from));
  if (from === 'server') return fc.oneof(...both, connack(level), suback(level), unsuback(level));
  if (level !== 5) both.push(disconnect(level, from));
  return fc.oneof(...both, connect(level), subscribe(level), unsubscribe(level));
}
