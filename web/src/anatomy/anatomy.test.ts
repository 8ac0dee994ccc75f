// Packet anatomy: the parts are the packet, octet for octet, with the values that the codec put there.

import { expect, test } from 'vitest';
import { encodePacket } from '../../../src/protocol/mqtt/encode.ts';
import { NO_PROPERTIES, type Properties, PUBLISH } from '../../../src/protocol/mqtt/packet.ts';
import { anatomyOf } from './anatomy.ts';

const ALL: Properties = {
  payloadFormatIndicator: 1,
  messageExpiryInterval: 70_000,
  contentType: 'text/plain',
  responseTopic: 're',
  correlationData: Uint8Array.of(1, 2, 3),
  subscriptionIdentifier: [300],
  topicAlias: 9,
  userProperty: [
    ['k', 'v'],
    ['k', ''],
  ],
};

test.each([
  [5, 1, ALL, 'x'.repeat(200)],
  [5, 0, NO_PROPERTIES, ''],
  [4, 2, NO_PROPERTIES, 'p'],
] as const)('level %i, QoS %i: whole and in order', (level, qos, properties, payload) => {
  const packet = encodePacket(
    {
      type: PUBLISH,
      dup: false,
      qos,
      retain: true,
      topic: 'a/b',
      id: qos === 0 ? 0 : 258,
      properties,
      payload: new TextEncoder().encode(payload),
    },
    level,
  );
  const parts = anatomyOf(packet, level === 5);
  expect(Buffer.concat(parts.map((part) => part.octets))).toEqual(Buffer.from(packet));
  const said = Object.fromEntries(parts.map((part) => [part.name, part.value]));
  expect(said['Topic name']).toBe('a/b');
  expect(said['Packet type and flags']).toBe(`PUBLISH, QoS ${qos}, RETAIN`);
  if (qos > 0) expect(said['Packet identifier']).toBe('258');
  if (properties === ALL) {
    expect(said).toMatchObject({
      'Message Expiry Interval': '70000',
      'Subscription Identifier': '300',
      'User Property': 'k = ',
      'Content Type': 'text/plain',
    });
  }
});
