// What a network is like, in numbers: the words of workloads and of the files of runs.

import type { IpVersion, MediumName } from './medium.ts';

/** What a network is like. Times in ms, one way; shares 0 to 1. */
export interface LinkSpec {
  readonly medium: MediumName;
  readonly ip: IpVersion;
  readonly mtu: number;
  readonly delayMs: number;
  /** Up to so much longer, uniformly. */
  readonly jitterMs: number;
  readonly upKbps: number;
  readonly downKbps: number;
  /** What waits for the link beyond this is dropped. */
  readonly queueBytes: number;
  /** The share of frames that are lost, after whatever the link repeats by itself. */
  readonly loss: number;
  /** The mean length of a run of lost frames, back to back: 1 is uniform loss, more is Gilbert's two-state model. */
  readonly burst: number;
  readonly duplicate: number;
  readonly reorder: number;
  readonly reorderMs: number;
  /** A NAT forgets a flow that was silent for so long; 0: there is no NAT. */
  readonly natUdpMs: number;
  readonly natTcpMs: number;
  /** The NAT gives every flow a new port so often; 0: never. */
  readonly rebindMs: number;
}
