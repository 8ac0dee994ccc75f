// A client's wire over messages or datagrams: what is written in one turn leaves together.

import { CarriedWire } from './carrier.ts';

/** Each piece that is written is one message. */
export class PacketWire extends CarriedWire {
  private packets: Uint8Array[] = [];
  private octets = 0;

  protected get gathered(): number {
    return this.octets + this.packets.length;
  }

  reserve(length: number): number {
    const bytes = new Uint8Array(length);
    this.bytes = bytes;
    this.write(bytes);
    return 0;
  }

  write(bytes: Uint8Array): void {
    this.mark();
    this.packets.push(bytes);
    this.octets += bytes.length;
  }

  protected take(): readonly Uint8Array[] {
    const { packets } = this;
    this.packets = [];
    this.octets = 0;
    return packets;
  }

  arrived(message: Uint8Array): void {
    this.guarded((peer) => peer.receive(message, 0, message.length, this.clock.now()));
  }
}
