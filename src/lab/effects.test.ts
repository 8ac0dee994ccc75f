// What each field of a workload and of a network does to the figures: octets by hand from the standards, and what each transport makes of a bad network.

import { describe, expect, test } from 'vitest';
import { cellOf, each, TCP, UDP } from './cells.fixture.ts';
import type { WorkloadInput } from './workload.ts';

describe('the workload', () => {
  // Header octets as in the findings: 18 for an MQTT PUBLISH with a topic of 14.
  test.each([
    // Up to 127 octets remain to be said in one octet, then in two: MQTT 3.1.1, section 2.2.3.
    ['mqtt311-qos0', 100, { protocol: 18, payload: 100, total: 2 * TCP + 118 }],
    ['mqtt311-qos0', 200, { protocol: 19, payload: 200, total: 2 * TCP + 219 }],
    // 3,019 octets in segments of 1,448: three, and an acknowledgement for every second and for the last.
    ['mqtt311-qos0', 3_000, { protocol: 19, payload: 3_000, total: 5 * TCP + 3_019 }],
    // Beyond 255 octets a length takes three: MQTT-SN 1.2, section 5.2.1.
    ['mqttsn-qos0', 200, { protocol: 7, payload: 200, total: UDP + 207 }],
    ['mqttsn-qos0', 300, { protocol: 9, payload: 300, total: UDP + 309 }],
    // A datagram says its length itself.
    ['coap-non', 1_000, { protocol: 35, payload: 1_000, total: UDP + 1_035 }],
  ] as const)('%s with %i octets of payload', async (variant, bytes, expected) => {
    expect(await each(variant, { payload: { bytes } })).toMatchObject(expected);
  });

  const FRAME = '{"type":"publish","topic":"sensors/0/temp","payload":""}'.length;
  test.each([
    ['mqtt311-qos0', 'binary', 18],
    ['mqtt311-qos0', 'json', 18],
    ['ws-json-qos0', 'text', FRAME],
    // {"n":10000000}: two quotes, each with a backslash before it.
    ['ws-json-qos0', 'json', FRAME + 2],
    // payloadBase64 is six letters longer, and 20 octets are 28 in base64.
    ['ws-json-qos0', 'binary', FRAME + 6 + 8],
    // CBOR: a string of octets is as long as one of letters: RFC 8949, section 3.1.
    ['ws-cbor-qos0', 'text', 44],
    ['ws-cbor-qos0', 'binary', 44],
  ] as const)('%s with a payload of %s', async (variant, shape, protocol) => {
    const m = await each(variant, { payload: { bytes: 20, shape } });
    expect({ protocol: m.protocol, payload: m.payload }).toEqual({ protocol, payload: 20 });
  });

  test.each([
    ['mqtt311-qos0', 0], // a flag
    ['mqttsn-qos0', 0], // a flag
    ['coap-con', 1 + 'retain=1'.length], // an option
    ['http', '?retain=true'.length],
    ['ws-json-qos0', ',"retain":true'.length],
    ['ws-cbor-qos0', 1 + 'retain'.length + 1],
  ] as const)('%s: to retain costs %i octets', async (variant, octets) => {
    const [plain, retained] = [await each(variant), await each(variant, { retained: true })];
    expect(retained.protocol - plain.protocol).toBe(octets);
  });

  test('a device that publishes pays once however many listen; devices that listen pay each', async () => {
    const one = await each('mqtt311-qos0');
    expect(await each('mqtt311-qos0', { fanOut: 3 })).toEqual(one);
    // Downwards it is the same message the other way.
    const down = await each('mqtt311-qos0', { direction: 'down' });
    expect(down).toEqual(one);
    expect((await each('mqtt311-qos0', { direction: 'down', fanOut: 3 })).total).toBe(3 * one.total);
    expect((await each('mqtt311-qos0', { direction: 'both' })).total).toBe(2 * one.total);
  });

  test.each([
    // CONNECT 2 + 10 + 2 + 4 for `dev0`, CONNACK 4, PUBLISH 18, DISCONNECT 2.
    ['mqtt311-qos0', 1, 18 + 4 + 18 + 2, 11],
    // Half a greeting and half a goodbye for each.
    ['mqtt311-qos0', 2, 18 + (18 + 4 + 2) / 2, 6.5],
    // CONNECT 6 + 4, CONNACK 3, REGISTER 6 + 14, REGACK 7, PUBLISH 7, DISCONNECT 2 and its answer 2.
    ['mqttsn-qos0', 1, 10 + 3 + 20 + 7 + 7 + 2 + 2, 7],
  ] as const)('%s that reconnects every %i', async (variant, reconnectEvery, protocol, packets) => {
    // Of TCP: SYN, SYN-ACK, ACK; CONNECT, CONNACK, PUBLISH, its acknowledgement, DISCONNECT; FIN, FIN, ACK.
    const m = await each(variant, { reconnectEvery });
    expect([m.protocol, m.up + m.down]).toEqual([protocol, packets]);
  });
});

type Change = Exclude<NonNullable<WorkloadInput['networks']>[number], string>;

/** A hundred messages, over Ethernet but for what is said. */
const over = (variant: string, change: Partial<Change>, more: WorkloadInput = {}) =>
  cellOf(variant, {
    messages: 100,
    rate: 1,
    drainSeconds: 600,
    ...more,
    networks: [{ ...change, from: 'lan', name: 'changed' }],
  });

describe('the network', () => {
  const ALL = { delivered: 100, lost: 0, duplicated: 0, outOfOrder: 0 };

  // Five ports in 100 s. A connection of TCP's ends with its port, and so does MQTT-SN's session, which is the address; CoAP has none,
  // and DTLS knows the device by its connection id (RFC 9146).
  test.each([
    ['mqtt311-qos1', 6],
    ['mqtt311-qos1-tls', 6],
    ['mqttsn-qos1', 6],
    ['coap-con', 2],
    ['coap-con-dtls', 2],
  ] as const)(
    '%s behind a NAT that gives a new port every 20 s: %i connections',
    async (variant, connections) => {
      const cell = await over(variant, { rebindMs: 20_000 });
      expect(cell.messages).toMatchObject(ALL);
      expect(cell.connections).toBe(connections);
    },
  );

  test.each([
    ['mqtt311-qos1', false],
    ['mqtt311-qos1-tls', false],
    ['coap-non', false], // message ids: RFC 7252, section 4.5
    ['coap-con', false],
    ['coap-con-dtls', false], // the window against replays: RFC 6347, section 4.1.2.6
    ['mqttsn-qos0', true],
    ['mqttsn-qos1', true], // at least once
    ['mqttsn-qos2', false],
  ] as const)('%s where packets are doubled: doubled messages %s', async (variant, doubled) => {
    const { messages } = await over(variant, { duplicate: 0.5 });
    expect(messages).toMatchObject({ delivered: 100, lost: 0 });
    expect(messages.duplicated > 0).toBe(doubled);
  });

  test.each([
    ['mqtt311-qos1', false],
    ['mqtt311-qos1-tls', false],
    ['coap-con', false], // one exchange at a time
    ['mqttsn-qos1', false], // one message at a time
    ['coap-non', true],
    ['mqttsn-qos0', true],
  ] as const)('%s where packets overtake each other: out of order %s', async (variant, outOfOrder) => {
    const { messages } = await over(variant, { reorder: 0.3, reorderMs: 300 }, { rate: 10 });
    expect(messages).toMatchObject({ delivered: 100, lost: 0, duplicated: 0 });
    expect(messages.outOfOrder > 0).toBe(outOfOrder);
  });

  test.each([
    ['mqtt311-qos0', false, 200],
    ['mqtt311-qos1-tls', false, 200],
    ['coap-con', false, 2_000],
    ['coap-con-dtls', false, 2_000],
    ['mqttsn-qos2', false, 10_000],
    ['coap-non', true, 0],
    ['mqttsn-qos0', true, 0],
  ] as const)(
    '%s where a tenth is lost in bursts of 5: lost %s, and waits %i ms or more',
    async (variant, lost, ms) => {
      const { messages, latency } = await over(variant, { loss: 0.1, burst: 5 });
      expect(messages.lost > 0).toBe(lost);
      // RFC 6298 with Linux's 200 ms; RFC 7252, section 4.8: 2 s; MQTT-SN 1.2, section 7.2: 10 s.
      expect(latency.max).toBeGreaterThanOrEqual(ms);
    },
  );

  // 1,000 octets with an MTU of 576.
  test.each([
    // Segments of 576 - 40 - 12: 1,019 octets are 524 and 495.
    ['mqtt311-qos0', { total: 3 * TCP + 1_019, up: 2 }],
    // 1,043 octets of UDP in fragments of 552 and 491 (RFC 791: units of eight), each with a header of 20 and in a frame of 18.
    ['coap-non', { total: 2 * (18 + 20) + 8 + 1_035, up: 1 }],
    ['mqttsn-qos0', { total: 2 * (18 + 20) + 8 + 1_009, up: 1 }],
  ] as const)('%s in packets of 576', async (variant, expected) => {
    const networks: WorkloadInput['networks'] = [{ from: 'lan', name: 'narrow', mtu: 576 }];
    expect(await each(variant, { networks, payload: { bytes: 1_000 } })).toMatchObject(expected);
  });
});
