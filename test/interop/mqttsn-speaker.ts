// MQTT-SN among the speakers: topics are registered first, in either direction.

import type { Qos } from '../../src/contract/message.ts';
import { FLAG, qosFlag, SnDevice, type Told } from '../mqttsn-device.ts';
import { type Broker, toHex } from '../network.ts';
import type { Heard, Sent, Speaker } from './speakers.ts';

export class MqttSnSpeaker implements Speaker {
  private readonly device: SnDevice;
  private readonly topics = new Map<number, string>();
  private readonly arrived: Heard[] = [];

  private constructor(device: SnDevice) {
    this.device = device;
  }

  static async open(broker: Broker, name: string): Promise<MqttSnSpeaker> {
    const device = new SnDevice(broker);
    const [answer] = await device.connect(name, { seconds: 0 });
    if (answer?.type !== 'CONNACK' || answer.code !== 0) throw new Error('not accepted');
    return new MqttSnSpeaker(device);
  }

  async publish(m: Sent): Promise<void> {
    const topic = await this.device.register(m.topic);
    const flags = qosFlag(m.qos) | (m.retain ? FLAG.retain : 0);
    this.device.send('PUBLISH', [flags, topic, m.qos === 0 ? 0 : 1], m.payload);
    await this.converse();
  }

  async subscribe(filter: string, qos: Qos): Promise<void> {
    this.device.send('SUBSCRIBE', [qosFlag(qos), 1], filter);
    await this.converse((answer) => this.topics.set(answer.topicId!, filter));
  }

  async heard(): Promise<Heard[]> {
    await this.converse();
    return this.arrived.splice(0);
  }

  /** Answers, until nothing more comes. */
  private async converse(subscribed?: (answer: Told) => void): Promise<void> {
    for (;;) {
      const messages = await this.device.heard();
      if (messages.length === 0) return;
      for (const m of messages) {
        if (m.type === 'SUBACK') subscribed!(m);
        else this.answer(m);
      }
    }
  }

  private answer(m: Told): void {
    const { device } = this;
    switch (m.type) {
      case 'REGISTER':
        this.topics.set(m.topicId!, m.rest!);
        device.send('REGACK', [m.topicId!, m.id!, 0]);
        return;
      case 'PUBREC':
        device.send('PUBREL', [m.id!]);
        return;
      case 'PUBREL':
        device.send('PUBCOMP', [m.id!]);
        return;
      case 'PUBLISH': {
        const qos = ((m.flags! >> 5) & 3) as Qos;
        if (qos === 1) device.send('PUBACK', [m.topicId!, m.id!, 0]);
        else if (qos === 2) device.send('PUBREC', [m.id!]);
        this.arrived.push({
          topic: this.topics.get(m.topicId!),
          payload: toHex(m.octets ?? new Uint8Array()),
          qos,
          retained: (m.flags! & FLAG.retain) !== 0,
          said: {},
        });
      }
    }
  }
}
