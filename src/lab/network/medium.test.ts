// Packets in frames, against sums done by hand from the standards.

import { expect, test } from 'vitest';
import { MEDIA, maximumSegment, sizesOf } from './medium.ts';

const { ethernet, wifi, cellular } = MEDIA;
const lowpan = MEDIA['802.15.4'];

test.each([
  // A UDP datagram of 10 octets: IPv4 20, UDP 8, payload padded to 46; header and FCS 18.
  ['ethernet pads', ethernet, 4, 'udp', 8, 10, { frames: 1, link: 18 + 8, ip: 20, transport: 8 }],
  ['ethernet, just full enough', ethernet, 4, 'udp', 8, 18, { frames: 1, link: 18, ip: 20, transport: 8 }],
  ['ethernet, IPv6', ethernet, 6, 'tcp', 32, 0, { frames: 1, link: 18, ip: 40, transport: 32 }],
  ['wifi', wifi, 4, 'udp', 8, 10, { frames: 1, link: 54, ip: 20, transport: 8 }],
  ['cellular', cellular, 4, 'tcp', 32, 100, { frames: 1, link: 6, ip: 20, transport: 32 }],
  // 2,008 octets in fragments of 1,480 and 528.
  ['fragments', ethernet, 4, 'udp', 8, 2_000, { frames: 2, link: 36, ip: 40, transport: 8 }],
  // IPv6 carries 1,448 octets in a fragment: 1,500 - 48 is 1,452, and 1,448 a multiple of eight.
  ['fragments, IPv6', ethernet, 6, 'udp', 8, 2_000, { frames: 2, link: 36, ip: 96, transport: 8 }],
] as const)('%s', (_name, medium, ip, transport, header, content, sizes) => {
  expect(sizesOf(medium, ip, 1_500, transport, header, content, false)).toEqual(sizes);
});

test.each([
  // Frame 23; IPHC 2 + 16; NHC 7; 104 octets fit: 79 of content.
  ['one frame', 'udp', 8, 79, false, { frames: 1, link: 23, ip: 18, transport: 7 }],
  // FRAG1 4 leaves 100, less 25 is 75, of which 72; the other 8 in a FRAGN of 5.
  ['one octet too many', 'udp', 8, 80, false, { frames: 2, link: 2 * 23 + 4 + 5, ip: 18, transport: 7 }],
  ['towards the device', 'udp', 8, 10, true, { frames: 1, link: 23, ip: 19, transport: 7 }],
  // TCP's header is not compressed: IPHC names the next header in one octet more.
  ['tcp', 'tcp', 32, 20, false, { frames: 1, link: 23, ip: 19, transport: 32 }],
  // 72 + 96 + 96 + 96 is 360.
  ['many', 'udp', 8, 360, false, { frames: 4, link: 4 * 23 + 4 + 3 * 5, ip: 18, transport: 7 }],
] as const)('6LoWPAN: %s', (_name, transport, header, content, down, sizes) => {
  expect(sizesOf(lowpan, 6, 1_280, transport, header, content, down)).toEqual(sizes);
});

test('the largest segment', () => {
  expect(maximumSegment(4, 1_500)).toBe(1_460);
  expect(maximumSegment(6, 1_280)).toBe(1_220);
});
