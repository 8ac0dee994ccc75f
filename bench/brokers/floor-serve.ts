// Passes what "publisherN" sends, uninspected, to "receiverN", on the port that is its argument: pairs at QoS 0 only.

import { newServerHandle } from '../generator/raw.ts';
import { Wire } from '../generator/wire.ts';

const receivers = new Map<string, Wire>();
const CONNACK = Uint8Array.of(0x20, 2, 0, 0);

/** Answers CONNECT and SUBSCRIBE, assuming that each comes alone in its chunk: the generator sends them so. */
class FloorPeer {
  wire: Wire | undefined;
  private id = '';
  private target: Wire | undefined;

  received(bytes: Uint8Array, from: number, to: number): number {
    const wire = this.wire!;
    if (this.target !== undefined) {
      const copy = Buffer.allocUnsafeSlow(to - from);
      copy.set(bytes.subarray(from, to));
      this.target.write(copy, 0, copy.length);
    } else if (bytes[from] === 0x10) {
      // 0x10 | remaining length | "MQTT" | level | flags | keep alive | client id: 2 + 6 + 1 + 1 + 2 + 2 octets in front
      this.id = Buffer.from(bytes.subarray(from + 14, to)).toString('latin1');
      if (this.id.startsWith('receiver')) receivers.set(this.id, wire);
      else this.target = receivers.get(this.id.replace('publisher', 'receiver'));
      wire.write(CONNACK, 0, CONNACK.length);
    } else if (bytes[from] === 0x82) {
      wire.write(Uint8Array.of(0x90, 3, bytes[from + 2]!, bytes[from + 3]!, 0), 0, 5);
    }
    return to;
  }

  closed(): void {
    receivers.delete(this.id);
  }
}

const server = newServerHandle();
server.onconnection = (_status, handle) => {
  const peer = new FloorPeer();
  peer.wire = new Wire(peer, handle);
};
server.bind('127.0.0.1', Number(process.argv[2]));
server.listen(4096);
