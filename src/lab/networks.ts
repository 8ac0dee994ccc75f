// The networks that the lab knows by name, as data, each with where its numbers come from.

import type { LinkSpec } from './network/link-spec.ts';

export interface Network extends LinkSpec {
  readonly name: string;
  readonly title: string;
  /** A name in RADIOS, or in the workload's own. */
  readonly radio: string;
  readonly source: string;
}

const WIRED: LinkSpec = {
  medium: 'ethernet',
  ip: 4,
  mtu: 1_500,
  delayMs: 0.5,
  jitterMs: 0,
  upKbps: 100_000,
  downKbps: 100_000,
  queueBytes: 262_144,
  loss: 0,
  burst: 1,
  duplicate: 0,
  reorder: 0,
  reorderMs: 0,
  natUdpMs: 0,
  natTcpMs: 0,
  rebindMs: 0,
};

/** RFC 4787, REQ-5, and RFC 5382, REQ-5: the least that a NAT must keep a mapping. */
export const NAT = { natUdpMs: 120_000, natTcpMs: 7_440_000 };

/** What lies between the server and the clients that are not under test. */
export const BACKEND: LinkSpec = WIRED;

export const NETWORKS: Readonly<Record<string, Network>> = {
  lan: {
    ...WIRED,
    name: 'lan',
    title: 'Ethernet, 100 Mbit/s',
    radio: 'mains',
    source: 'IEEE 802.3u; half a millisecond each way is a switched network with a little software in it',
  },
  wifi: {
    ...WIRED,
    name: 'wifi',
    title: 'Wi-Fi, 20 Mbit/s, 1 % loss in pairs',
    medium: 'wifi',
    delayMs: 2,
    jitterMs: 6,
    upKbps: 20_000,
    downKbps: 20_000,
    loss: 0.01,
    burst: 2,
    radio: 'esp32-wifi',
    source: 'assumed: a busy 802.11n network as an ESP32 sees it; loss is what its own retries leave',
  },
  'lte-m': {
    ...WIRED,
    ...NAT,
    name: 'lte-m',
    title: 'LTE-M (Cat-M1), half duplex',
    medium: 'cellular',
    mtu: 1_358,
    delayMs: 50,
    jitterMs: 50,
    upKbps: 375,
    downKbps: 300,
    queueBytes: 65_536,
    loss: 0.001,
    radio: 'nrf9160-lte-m',
    source:
      '3GPP Release 13, Cat-M1 half duplex: 375 kbit/s up, 300 down; TS 23.060, annex C: MTU 1,358; delay and loss assumed',
  },
  'nb-iot': {
    ...WIRED,
    ...NAT,
    name: 'nb-iot',
    title: 'NB-IoT (Cat-NB1), normal coverage',
    medium: 'cellular',
    mtu: 1_358,
    delayMs: 800,
    jitterMs: 800,
    upKbps: 62,
    downKbps: 26,
    queueBytes: 16_384,
    loss: 0.01,
    radio: 'nrf9160-nb-iot',
    source:
      '3GPP Release 13, Cat-NB1: 62 kbit/s up, 26 down, latency of 1.6 to 10 s, of which the shortest; loss assumed',
  },
  'lossy-802.15.4': {
    ...WIRED,
    name: 'lossy-802.15.4',
    title: '802.15.4 with 6LoWPAN, 10 % of frames lost in bursts of 3',
    medium: '802.15.4',
    ip: 6,
    mtu: 1_280,
    delayMs: 10,
    jitterMs: 20,
    upKbps: 100,
    downKbps: 100,
    queueBytes: 8_192,
    loss: 0.1,
    burst: 3,
    radio: 'etrx2-802.15.4',
    source:
      'IEEE 802.15.4: 250 kbit/s on air, of which CSMA and acknowledgements leave about 100; RFC 8200: MTU 1,280; loss assumed, two hops through a bad corner',
  },
  satellite: {
    ...WIRED,
    ...NAT,
    name: 'satellite',
    title: 'Geostationary satellite',
    delayMs: 280,
    jitterMs: 20,
    upKbps: 1_000,
    downKbps: 5_000,
    loss: 0.005,
    burst: 4,
    radio: 'mains',
    source: 'two times 35,786 km is 239 ms; RFC 2488 counts 250 ms and more; rate and loss assumed',
  },
};

export const DEFAULT_NETWORKS = ['lan', 'wifi', 'lte-m', 'nb-iot'] as const;
