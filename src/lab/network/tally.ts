// What went over one link in one direction, octet by octet and layer by layer.

/** The layers of a packet, from the outside in. `repeated` is content that TCP, or the protocol above UDP, sent again. */
export const LAYERS = ['link', 'ip', 'transport', 'security', 'framing', 'content', 'repeated'] as const;

export type Layer = (typeof LAYERS)[number];

/** What octets of a stream or datagram are for. */
export type Kind = 'security' | 'framing' | 'content';

export class Tally {
  packets = 0;
  frames = 0;
  /** Frames that were lost, to chance, a full queue, an outage or a NAT. */
  lostFrames = 0;
  link = 0;
  ip = 0;
  transport = 0;
  security = 0;
  framing = 0;
  /** The protocol's own octets, with the payload. */
  content = 0;
  repeated = 0;

  get bytes(): number {
    return this.link + this.ip + this.transport + this.security + this.framing + this.content + this.repeated;
  }

  add(other: Tally): void {
    this.packets += other.packets;
    this.frames += other.frames;
    this.lostFrames += other.lostFrames;
    for (const layer of LAYERS) this[layer] += other[layer];
  }
}
