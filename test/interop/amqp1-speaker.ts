// AMQP 1.0 among the speakers: settlement for QoS, annotations for topic and retain, properties for properties.

import type { Qos } from '../../src/contract/message.ts';
import { writeComposite } from '../../src/protocol/amqp1/composite.ts';
import { ValueWriter } from '../../src/protocol/amqp1/encode.ts';
import {
  ACCEPTED,
  ATTACH,
  DISPOSITION,
  RCV_FIRST,
  RCV_SECOND,
  RECEIVER,
  TRANSFER,
  type Transfer,
} from '../../src/protocol/amqp1/packet.ts';
import { Sections } from '../../src/protocol/amqp1/sections.ts';
import { type AmqpMap, type AmqpValue, lookUp, symbol, text } from '../../src/protocol/amqp1/types.ts';
import { Amqp1Client } from '../amqp1-client.ts';
import { type Broker, hex, toHex } from '../network.ts';
import type { Heard, Sent, Speaker } from './speakers.ts';

const LISTENING = 100;

export class Amqp1Speaker implements Speaker {
  private readonly client: Amqp1Client;
  private readonly senders = new Map<string, number>();
  private second = false;

  private constructor(client: Amqp1Client) {
    this.client = client;
  }

  static async open(broker: Broker, name: string): Promise<Amqp1Speaker> {
    return new Amqp1Speaker(await new Amqp1Client(broker).open(name));
  }

  async publish(m: Sent): Promise<void> {
    const { client } = this;
    const key = `${m.qos > 1} ${m.topic}`;
    let handle = this.senders.get(key);
    if (handle === undefined) {
      handle = this.senders.size;
      this.senders.set(key, handle);
      client.send(handle, { address: m.topic }, { rcvSettleMode: m.qos > 1 ? RCV_SECOND : RCV_FIRST });
      await client.hear();
    }
    const id = client.transfer(handle, encoded(m), { settled: m.qos === 0 });
    if (m.qos === 0) {
      await client.broker.clock.advance(0);
      return;
    }
    const [answer] = await client.heardOf(DISPOSITION);
    if (answer?.state?.kind !== ACCEPTED || answer.first !== id) throw new Error('not accepted');
    if (answer.settled !== true) throw new Error('a target that is not kept waits for nothing');
    await client.broker.clock.advance(0);
  }

  async subscribe(filter: string, qos: Qos): Promise<void> {
    const { client } = this;
    const modes = { sndSettleMode: qos === 0 ? 1 : 2, rcvSettleMode: qos > 1 ? RCV_SECOND : RCV_FIRST };
    client.receive(LISTENING, { address: filter }, modes);
    client.credit(LISTENING, 10_000);
    await client.broker.clock.advance(0);
  }

  async heard(): Promise<Heard[]> {
    const all: Heard[] = [];
    for (const { p, body } of await this.client.hear()) {
      if (p.kind === ATTACH && p.role !== RECEIVER) this.second = p.rcvSettleMode === RCV_SECOND;
      if (p.kind !== TRANSFER) continue;
      if (p.settled !== true) this.client.settle(true, p.deliveryId!, { kind: ACCEPTED }, !this.isSecond(p));
      all.push(this.heardFrom(p, new Sections(body)));
    }
    await this.client.broker.clock.advance(0);
    return all;
  }

  private isSecond(p: Transfer): boolean {
    return this.second && p.rcvSettleMode !== RCV_FIRST;
  }

  private heardFrom(p: Transfer, s: Sections): Heard {
    const { contentType, replyTo, correlationId } = s.properties;
    const { ttl } = s.header;
    const topic = lookUp(s.annotations, 'x-opt-topic')?.value as string;
    const place = s.octetsOf(s.body[0]!)!;
    const correlation = correlationId?.value;
    const user = userOf(s);
    return {
      topic: topic.replace('queue://', '$queue/'),
      payload: toHex(s.bytes.subarray(place.at, place.end)),
      qos: p.settled === true ? 0 : this.isSecond(p) ? 2 : s.header.durable === true ? 1 : 0,
      retained: lookUp(s.deliveryAnnotations, 'x-opt-retained')?.value === true,
      said: {
        ...(contentType !== undefined && { contentType }),
        ...(s.bodyKind === 0x77 && { text: true }),
        ...(replyTo !== undefined && { responseTopic: replyTo }),
        ...(correlation instanceof Uint8Array && { correlation: toHex(correlation) }),
        ...(user.length > 0 && { user }),
        ...(ttl !== undefined && { expiryMs: ttl }),
      },
    };
  }
}

/** In order with duplicates, where a map could not say so. */
function userOf(s: Sections): (readonly [string, string])[] {
  const ordered = lookUp(s.annotations, 'x-opt-user-properties');
  if (ordered?.type !== 'list')
    return s.applicationProperties.map(([name, value]) => [String(name.value), String(value.value)] as const);
  const user: [string, string][] = [];
  for (let i = 0; i < ordered.value.length; i += 2)
    user.push([String(ordered.value[i]!.value), String(ordered.value[i + 1]!.value)]);
  return user;
}

const utf8 = new TextDecoder();

function encoded({ payload, qos, retain, said }: Sent): Uint8Array {
  const w = new ValueWriter();
  const { contentType, responseTopic, correlation, user = [], expiryMs } = said;
  writeComposite(w, 0x70, { durable: qos > 0, ttl: expiryMs });
  const annotations: [AmqpValue, AmqpValue][] = [];
  if (retain) annotations.push([symbol('x-opt-retain'), { type: 'boolean', value: true }]);
  if (new Set(user.map(([name]) => name)).size < user.length)
    annotations.push([
      symbol('x-opt-user-properties'),
      { type: 'list', value: user.flat().map((word) => text(word)) },
    ]);
  if (annotations.length > 0) section(w, 0x72, annotations);
  writeComposite(w, 0x73, {
    contentType,
    replyTo: responseTopic,
    correlationId: correlation === undefined ? undefined : { type: 'binary', value: hex(correlation) },
  });
  const unique = new Map(user.toReversed());
  if (unique.size > 0)
    section(
      w,
      0x74,
      [...unique].map(([name, value]) => [text(name), text(value)] as const),
    );
  w.descriptor(said.text === true ? 0x77 : 0x75);
  if (said.text === true) w.string(utf8.decode(payload));
  else w.binary(payload);
  return w.finish();
}

function section(w: ValueWriter, code: number, map: AmqpMap): void {
  w.descriptor(code);
  w.map(map);
}
