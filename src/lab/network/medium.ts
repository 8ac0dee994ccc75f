// The media: what a frame adds to an IP packet, how large a frame may be, and how packets are cut for it.

/** Where an IP packet's octets go once it is in frames. */
export interface Sizes {
  frames: number;
  link: number;
  ip: number;
  transport: number;
}

export type MediumName = 'ethernet' | 'wifi' | '802.15.4' | 'cellular';

export interface Medium {
  readonly name: MediumName;
  /** Octets around each frame's payload: headers and check sequence, not preamble and gaps. */
  readonly frameBytes: number;
  /** Shorter payloads are padded. */
  readonly minPayloadBytes: number;
  /** The largest frame payload, where packets are cut and headers compressed by 6LoWPAN; 0: frames are as large as the MTU. */
  readonly lowpanPayloadBytes: number;
  readonly source: string;
}

export const MEDIA: Readonly<Record<MediumName, Medium>> = {
  ethernet: {
    name: 'ethernet',
    frameBytes: 18, // destination 6, source 6, type 2, FCS 4
    minPayloadBytes: 46,
    lowpanPayloadBytes: 0,
    source: 'IEEE 802.3, clause 3: MAC frame; preamble and inter-packet gap are not counted',
  },
  wifi: {
    name: 'wifi',
    frameBytes: 54, // QoS data header 26, CCMP header 8 and MIC 8, LLC/SNAP 8, FCS 4
    minPayloadBytes: 0,
    lowpanPayloadBytes: 0,
    source:
      'IEEE 802.11, clause 9.3.2.1 (QoS data) and 12.5.3 (CCMP); acknowledgements and PHY preambles are not counted',
  },
  '802.15.4': {
    name: '802.15.4',
    frameBytes: 23, // control 2, sequence 1, PAN 2, two extended addresses 16, FCS 2
    minPayloadBytes: 0,
    lowpanPayloadBytes: 104, // aMaxPhyPacketSize 127
    source: 'IEEE 802.15.4, clause 7.2, extended addresses, no security; RFC 4944 and RFC 6282 above it',
  },
  cellular: {
    name: 'cellular',
    frameBytes: 6, // PDCP 2, RLC 2, MAC 2
    minPayloadBytes: 0,
    lowpanPayloadBytes: 0,
    source: '3GPP TS 36.323, 36.322 and 36.321: short headers, no header compression, no segmentation',
  },
};

export type IpVersion = 4 | 6;

export const UDP_BYTES = 8;
const IP_BYTES = { 4: 20, 6: 40 } as const;
/** RFC 8200, section 4.5 */
const FRAGMENT_HEADER_BYTES = 8;
/** RFC 4944, section 5.3 */
const FRAG1_BYTES = 4;
const FRAGN_BYTES = 5;
// RFC 6282, section 3.1: base 2, the far address in line 16, the near one from the frame; a hop limit that routers changed 1.
const IPHC_BYTES = 18;
const IPHC_HOP_BYTES = 1;
const IPHC_NEXT_HEADER_BYTES = 1;
/** RFC 6282, section 4.3: NHC 1, ports 4, checksum 2. */
const NHC_UDP_BYTES = 7;

/** The largest TCP segment content, options not counted: RFC 9293, section 3.7.1. */
export function maximumSegment(ip: IpVersion, mtu: number): number {
  return mtu - IP_BYTES[ip] - 20;
}

/** What becomes of `content` octets with a transport header of `header` octets. `down`: towards the device. */
export function sizesOf(
  medium: Medium,
  ip: IpVersion,
  mtu: number,
  transport: 'udp' | 'tcp',
  header: number,
  content: number,
  down: boolean,
): Sizes {
  if (medium.lowpanPayloadBytes > 0) return lowpan(medium, transport, header, content, down);
  const headerBytes = IP_BYTES[ip];
  const whole = headerBytes + header + content;
  const sizes: Sizes = { frames: 1, link: frame(medium, whole), ip: headerBytes, transport: header };
  if (whole <= mtu) return sizes;
  const perFragment = headerBytes + (ip === 6 ? FRAGMENT_HEADER_BYTES : 0);
  const room = Math.floor((mtu - perFragment) / 8) * 8; // RFC 791, section 2.3: units of eight
  let left = header + content;
  sizes.frames = 0;
  sizes.link = 0;
  sizes.ip = 0;
  while (left > 0) {
    const part = Math.min(left, room);
    sizes.frames++;
    sizes.ip += perFragment;
    sizes.link += frame(medium, perFragment + part);
    left -= part;
  }
  return sizes;
}

function frame(medium: Medium, packet: number): number {
  return medium.frameBytes + Math.max(0, medium.minPayloadBytes - packet);
}

function lowpan(
  medium: Medium,
  transport: 'udp' | 'tcp',
  header: number,
  content: number,
  down: boolean,
): Sizes {
  const compressed =
    IPHC_BYTES + (down ? IPHC_HOP_BYTES : 0) + (transport === 'tcp' ? IPHC_NEXT_HEADER_BYTES : 0);
  const inLine = transport === 'udp' ? NHC_UDP_BYTES : header;
  const room = medium.lowpanPayloadBytes;
  const sizes = { frames: 1, link: medium.frameBytes, ip: compressed, transport: inLine };
  if (compressed + inLine + content <= room) return sizes;
  // Offsets count the packet as it was before compression, in units of eight: IPv6 and UDP headers are whole units.
  const cut = transport === 'udp' ? compressed + inLine : compressed;
  let left = (transport === 'udp' ? 0 : header) + content;
  left -= Math.min(left, Math.floor((room - FRAG1_BYTES - cut) / 8) * 8);
  sizes.link += FRAG1_BYTES;
  const each = Math.floor((room - FRAGN_BYTES) / 8) * 8;
  while (left > 0) {
    sizes.frames++;
    sizes.link += medium.frameBytes + FRAGN_BYTES;
    left -= Math.min(left, each);
  }
  return sizes;
}
