// The findings of docs/lab/findings.md, each against sums done by hand from the standards.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { cellOf, each, PAYLOAD, padded, TCP, TOPIC, UDP } from './cells.fixture.ts';
import { runJob } from './run.ts';
import { planOf, type WorkloadInput } from './workload.ts';

describe('1. header octets of a reading', () => {
  // Fixed header 2, topic with its length; from QoS 1 on a packet id 2 and the answers' packets of 4; MQTT 5 has a property length.
  const publish = 2 + 2 + TOPIC;
  test.each([
    ['mqtt311-qos0', publish],
    ['mqtt5-qos0', publish + 1],
    ['mqtt311-qos1', publish + 2 + 4],
    ['mqtt5-qos1', publish + 2 + 1 + 4],
    ['mqtt311-qos2', publish + 2 + 3 * 4],
    ['mqtt5-qos2', publish + 2 + 1 + 3 * 4],
    // Length 1, type 1, flags 1, topic id 2, message id 2; PUBACK 7; PUBREC, PUBREL and PUBCOMP 4 each.
    ['mqttsn-qos-1', 7],
    ['mqttsn-qos0', 7],
    ['mqttsn-qos1', 7 + 7],
    ['mqttsn-qos2', 7 + 3 * 4],
    // Header 4, token 4; Uri-Path t, sensors, 0, temp: 2 + 8 + 2 + 5; Uri-Query qos=0: 6; No-Response (258): 3; marker 1.
    ['coap-non', 4 + 4 + 17 + 6 + 3 + 1],
    // The same without No-Response, and an acknowledgement with the response in it: 4 + 4.
    ['coap-con', 4 + 4 + 17 + 6 + 1 + 8],
    // RFC 8323: length and token length 1, one more for lengths from 13 on, code 1, token 4; the answer 2 + 4.
    ['coap-tcp', 1 + 1 + 1 + 4 + 17 + 6 + 1 + 6],
    // A map of three: 1; `type` 5 and `publish` 8, `topic` 6 and its value 1 + 14, `payload` 8 and the length of its value 1 [RFC8949-3].
    ['ws-cbor-qos0', 1 + 5 + 8 + 6 + 15 + 8 + 1],
    ['ws-json-qos0', '{"type":"publish","topic":"sensors/0/temp","payload":""}'.length],
    ['stomp-qos0', 'SEND\ndestination:/topic/sensors/0/temp\ncontent-length:10\n\n\0'.length],
    // A frame is 7 and an end octet. Basic.Publish: class and method 4, reserved 2, `amq.topic` 10, routing key 15, bits 1. Header: class, weight, size,
    // flags 14 and the delivery mode 1. Then the body.
    ['amqp091-qos0', 8 + 4 + 2 + 10 + 15 + 1 + (8 + 14 + 1) + 8],
    // And Basic.Ack: class and method 4, delivery tag 8, bits 1.
    ['amqp091-qos1', 8 + 4 + 2 + 10 + 15 + 1 + (8 + 14 + 1) + 8 + (8 + 4 + 8 + 1)],
  ])('%s: %i', async (variant, octets) => {
    const m = await each(variant);
    expect({ protocol: m.protocol, payload: m.payload }).toEqual({ protocol: octets, payload: PAYLOAD });
  });
});

test('2. a NON costs about half of what MQTT at QoS 0 does: TCP is heavier than CoAP’s options, and acknowledges', async () => {
  const [non, mqtt] = [await each('coap-non'), await each('mqtt311-qos0')];
  expect(non.total).toBe(UDP + 35 + PAYLOAD);
  expect(mqtt.total).toBe(TCP + 18 + PAYLOAD + TCP);
  expect([non.up, non.down, mqtt.up, mqtt.down]).toEqual([1, 0, 1, 1]);
});

test('3. QoS 2 costs twice the packets of QoS 1', async () => {
  const [one, two] = [await each('mqtt311-qos1'), await each('mqtt311-qos2')];
  // PUBLISH, PUBACK, and an acknowledgement of TCP's; PUBLISH, PUBREC, PUBREL, PUBCOMP, and that.
  expect([one.up + one.down, two.up + two.down]).toEqual([3, 5]);
  expect(one.total).toBe(3 * TCP + 18 + 2 + 4 + PAYLOAD);
  expect(two.total).toBe(5 * TCP + 18 + 2 + 12 + PAYLOAD);
});

test('4. at 10 % loss TCP delivers everything at every QoS, while NON loses its tenth', async () => {
  const network = { from: 'lan', name: 'bad', loss: 0.1 };
  const input: WorkloadInput = { networks: [network], messages: 400, drainSeconds: 600 };
  for (const variant of ['mqtt311-qos0', 'mqtt311-qos1', 'mqtt311-qos2'])
    expect((await cellOf(variant, input)).messages).toMatchObject({ delivered: 400, lost: 0, duplicated: 0 });
  const non = await cellOf('coap-non', input);
  // 400 throws of which each is lost with 0.1: 40, give or take three times the deviation of 6.
  expect(Math.abs(non.messages.lost - 40)).toBeLessThanOrEqual(18);
  const con = await cellOf('coap-con', input);
  expect(con.messages.lost).toBe(0);
  // RFC 7252, section 4.8: the first repetition comes after 2 s to 3 s. TCP's, after 200 ms and a round trip.
  expect(con.latency.max).toBeGreaterThanOrEqual(2_000);
});

test('5. TLS 1.3 costs 1,549 octets and 22 a record; TLS 1.2 costs 29 a record', async () => {
  const plain = await each('mqtt311-qos1');
  const tls = await each('mqtt311-qos1-tls');
  const old = await each('mqtt311-qos1-tls', { tls: { version: '1.2' } });
  // PUBLISH and PUBACK: a record each, header 5, type 1, tag 16; in 1.2 header 5, nonce 8, tag 16.
  expect(tls.security).toBe(2 * (5 + 1 + 16));
  expect(old.security).toBe(2 * (5 + 8 + 16));
  expect(tls.total - plain.total).toBe(tls.security);
  const whole = await cellOf('mqtt311-qos1-tls', {});
  // Hello 199; the server's 127 + 6 + 28 + 424 + 101 + 58; finished 6 + 58; two tickets of 271: test/judges/lab-tls.test.ts.
  const handshake = 199 + 744 + 64 + 542;
  const records = (2 + 2 * 20) * 22; // CONNECT and CONNACK too
  expect(whole.bytes.security).toBe(handshake + records);
});

test('6. a resumed handshake saves the certificate and its signature', async () => {
  const sleepy: WorkloadInput = { reconnectEvery: 1 };
  const resumed = await each('mqtt311-qos1-tls', sleepy);
  const full = await each('mqtt311-qos1-tls', { ...sleepy, resume: false });
  // The hello grows by 271, the server's by 6; certificate 424, its signature 101 and the tickets 542 fall away.
  expect(full.security - resumed.security).toBe(424 + 101 + 542 - 271 - 6);
});

test('7. DTLS 1.2 adds 29 octets to a datagram, and 38 to one that carries a connection id', async () => {
  const [plain, dtls] = [await each('coap-con'), await each('coap-con-dtls')];
  // AES_128_CCM_8: header 13, nonce 8, tag 8. RFC 9146: an id of 8 and the content's type 1 on those to the server.
  expect(dtls.security).toBe(13 + 8 + 8 + 9 + (13 + 8 + 8));
  expect(dtls.protocol).toBe(plain.protocol);
});

test('8. WebSocket adds 6 octets to what a client says and 2 to what it hears', async () => {
  const [plain, ws] = [await each('mqtt311-qos1'), await each('mqtt311-qos1-ws')];
  expect(ws.framing).toBe(2 + 4 + 2); // RFC 6455, section 5.2: header 2, mask 4
  expect(ws.total - plain.total).toBe(8);
});

describe('9. what a persistent WebSocket saves over HTTP', () => {
  test('a connection for each request has eight packets instead of three', async () => {
    const [kept, closed, ws] = [await each('http'), await each('http-close'), await each('ws-json-qos1')];
    // Request, response, an acknowledgement. SYN, SYN-ACK and ACK come before; FIN and what answers it after.
    expect([kept.up + kept.down, ws.up + ws.down]).toEqual([3, 3]);
    expect(closed.up + closed.down).toBe(8);
    expect(kept.total / ws.total).toBeGreaterThan(1.5);
    expect(closed.total / ws.total).toBeGreaterThan(2.5);
  });

  test('with TLS that is six times as much', async () => {
    const [closed, ws] = [await each('http-close-tls', { resume: false }), await each('ws-json-qos1-tls')];
    expect(closed.total / ws.total).toBeGreaterThan(6);
  });
});

test('9. the table is what its command gives', async () => {
  const text = readFileSync(new URL('../../docs/lab/findings.md', import.meta.url), 'utf8');
  const said = (title: string): number[] =>
    text
      .split('\n')
      .find((line) => line.startsWith(`| ${title}`))!
      .split('|')
      .slice(2, 4)
      .map((cell) => Number(cell.replace(',', '')));
  for (const [title, plain, secure] of [
    ['HTTP/1.1, a connection each', 'http-close', 'http-close-tls'],
    ['HTTP/1.1, kept alive', 'http', 'http-tls'],
    ['JSON over WebSocket   ', 'ws-json-qos1', 'ws-json-qos1-tls'],
    ['MQTT 5 QoS 1', 'mqtt5-qos1', 'mqtt5-qos1-tls'],
  ] as const) {
    const found: number[] = [];
    for (const variant of [plain, secure]) {
      const plan = planOf({ networks: ['lan'], variants: [variant], idleMinutes: 0 });
      found.push(Math.round((await runJob(plan, 'test', { variant: 0, network: 0 })).bytesPerMessage));
    }
    expect([title, ...found]).toEqual([title, ...said(title)]);
  }
});

test('10. observing costs as much as values change, polling as much as somebody asks', async () => {
  const rare: WorkloadInput = { direction: 'down', rate: 1 / 40 };
  const [observe, poll] = [await each('coap-con', rare), await each('coap-poll10', rare)];
  // A confirmable notification and its acknowledgement; four questions with their answers. (Renewals come when nothing has for a minute: RFC 7641, section 3.3.1.)
  expect([observe.up + observe.down, poll.up + poll.down]).toEqual([2, 8]);
  const observed = await cellOf('coap-con', rare);
  const polled = await cellOf('coap-poll10', rare);
  expect(observed.latency.max).toBeLessThan(10);
  expect(polled.latency.max).toBeGreaterThan(1_000);
  // When values change more often than anybody asks, it is the other way round, and values are missed.
  const often: WorkloadInput = { direction: 'down', rate: 1, drainSeconds: 20 };
  const [all, some] = [await cellOf('coap-con', often), await cellOf('coap-poll10', often)];
  expect(some.bytes.total).toBeLessThan(all.bytes.total);
  expect(some.messages.delivered).toBeLessThan(all.messages.delivered);
});

test('11. an idle hour of MQTT with a keep-alive of 60 s', async () => {
  const idle: WorkloadInput = { messages: 1, keepAliveSeconds: 60, idleMinutes: 60 };
  const { idle: mqtt } = await cellOf('mqtt311-qos0', idle);
  const { idle: none } = await cellOf('mqtt311-qos0', { ...idle, keepAliveSeconds: 0 });
  // PINGREQ, PINGRESP and an acknowledgement: 2 + 2 octets in three packets.
  expect(mqtt.bytesPerHour / mqtt.packetsPerHour).toBeCloseTo((3 * TCP + 4) / 3, 5);
  expect(mqtt.packetsPerHour).toBeGreaterThanOrEqual(3 * 60);
  expect(none.bytesPerHour).toBe(0);
});

test('12. over 6LoWPAN an MQTT-SN reading is one frame, and one over TLS is two', async () => {
  const lowpan: WorkloadInput = {
    networks: [{ from: 'lossy-802.15.4', name: 'quiet', loss: 0, jitterMs: 0 }],
  };
  const sn = await each('mqttsn-qos0', lowpan);
  // Frame 23, IPHC 18, NHC 7, MQTT-SN 7, reading 10.
  expect(sn.total).toBe(23 + 18 + 7 + 7 + PAYLOAD);
  const tls = await each('mqtt311-qos0-tls', lowpan);
  // PUBLISH 28 and TLS 22 with IPHC 19 and TCP 32 are 101 of 104: one frame. MQTT 5 at QoS 1 has three more, and still fits; 10 more do not.
  const large = await each('mqtt311-qos0-tls', { ...lowpan, payload: { bytes: 20 } });
  expect(tls.link).toBe(2 * 23); // the record, and TCP's acknowledgement
  expect(large.link).toBe(3 * 23 + 4 + 5); // FRAG1 and FRAGN
});

test('13. CON is stop and wait: one message a round trip, whatever the bandwidth', async () => {
  const slow: WorkloadInput = {
    networks: [{ from: 'lan', name: 'far', delayMs: 500 }],
    rate: 0,
    messages: 50,
    drainSeconds: 600,
  };
  const [con, mqtt] = [await cellOf('coap-con', slow), await cellOf('mqtt311-qos1', slow)];
  // NSTART is 1 [RFC 7252, section 4.7]: the last of 50 leaves after 49 round trips of a second.
  expect(con.virtualMs).toBeGreaterThan(49_000);
  expect(mqtt.virtualMs).toBeLessThan(10_000);
});

test('14. who sleeps between readings pays for each greeting', async () => {
  const sleepy: WorkloadInput = { reconnectEvery: 1 };
  const [non, sn, mqtt] = [
    await each('coap-non', sleepy),
    await each('mqttsn-qos-1', sleepy),
    await each('mqtt311-qos0', sleepy),
  ];
  // QoS −1 needs no greeting at all: the datagram is all there is.
  expect(sn.total).toBe(padded(UDP + 7 + PAYLOAD));
  expect([sn.up, sn.down]).toEqual([1, 0]);
  expect(mqtt.total).toBeGreaterThan(5 * sn.total);
  expect(non.total).toBeLessThan(mqtt.total);
});
