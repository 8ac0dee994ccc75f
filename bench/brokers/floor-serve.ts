// Passes octets, uninspected, between "publisherN" and "receiverN", on the port that is its argument. Acknowledgements pass
// too: the packet ids are the same on both sides, so that the handshakes of QoS 1 and 2 complete from end to end.

import { newServerHandle } from '../generator/raw.ts';
import { Wire } from '../generator/wire.ts';

const receivers = new Map<string, FloorPeer>();
const CONNACK = Uint8Array.of(0x20, 2, 0, 0);

/** Answers CONNECT and SUBSCRIBE, assuming that each comes alone in its chunk: the generator sends them so. */
class FloorPeer {
  wire: Wire | undefined;
  /** Where its octets go once both sides are there. */
  private other: Wire | undefined;

  received(bytes: Uint8Array, from: number, to: number): number {
    if (this.other !== undefined) {
      const copy = Buffer.allocUnsafeSlow(to - from);
      copy.set(bytes.subarray(from, to));
      this.other.write(copy, 0, copy.length);
    } else if (bytes[from] === 0x10) {
      // 0x10 | remaining length | "MQTT" | level | flags | keep alive | client id: 2 + 6 + 1 + 1 + 2 + 2 octets in front
      this.named(Buffer.from(bytes.subarray(from + 14, to)).toString('latin1'));
      this.wire!.write(CONNACK, 0, CONNACK.length);
    } else if (bytes[from] === 0x82) {
      // ... | packet id | filter | requested QoS, which is granted
      this.wire!.write(Uint8Array.of(0x90, 3, bytes[from + 2]!, bytes[from + 3]!, bytes[to - 1]!), 0, 5);
    }
    return to;
  }

  private named(id: string): void {
    if (id.startsWith('receiver')) receivers.set(id, this);
    const receiver = receivers.get(id.replace('publisher', 'receiver'));
    if (receiver === undefined || receiver === this) return;
    this.other = receiver.wire;
    receiver.other = this.wire;
  }

  closed(): void {
    this.other?.end();
  }
}

const server = newServerHandle();
server.onconnection = (_status, handle) => {
  const peer = new FloorPeer();
  peer.wire = new Wire(peer, handle);
};
server.bind('127.0.0.1', Number(process.argv[2]));
server.listen(4096);
