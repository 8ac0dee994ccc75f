// The Tap port: who looks at the octets on the wires while somebody traces.

/** A wire as a tap sees it; the same object for as long as the connection lasts. */
export interface TappedWire {
  /** `mqtt`; empty until it is known. */
  readonly protocol: string;
  readonly remote: string;
  readonly listener: string;
  /** The client, where a connection is not one client's alone; empty: nobody; absent: who is logged in from `remote`. */
  readonly client?: string;
}

export interface Tap {
  /** `bytes[start..end)` came (`in`) or left. Datagrams and messages come whole. The memory is the wire's. */
  passed(wire: TappedWire, direction: 'in' | 'out', bytes: Uint8Array, start: number, end: number): void;
}
