// The settings of the MQTT-SN tower.

export type SnVersion = '1.2';

export interface SnOptions {
  /** What is spoken. The messages of 2.0 have other numbers and other meanings, so that a listener speaks one version. */
  readonly version: SnVersion;
  /** Our id in GWINFO and ADVERTISE. */
  readonly gatewayId: number;
  /** Topic ids that clients and hub know beforehand: id → topic. */
  readonly predefined: ReadonlyMap<number, string>;
  /** Such ids of single clients, by client id; they go before those of all. */
  readonly clients: ReadonlyMap<string, ReadonlyMap<number, string>>;
  /** Whether QoS −1 publishes are taken, without a connection. */
  readonly qosMinusOne: boolean;
  /** Whether a sleeping client may wake up at another address: a router on its way may have forgotten the old one. */
  readonly roaming: boolean;
  /**
   * Messages go to an address only once it has answered a REGISTER whose id nobody else can know: forged addresses get none. Not every small
   * client answers that. Addresses of this machine, and those of DTLS, need no proof.
   */
  readonly verifyAddresses: boolean;
  /** How long an answer is waited for before the message is sent again, and how often it is (T_RETRY, N_RETRY). */
  readonly retryMs: number;
  readonly retries: number;
  /** How long a client that is congested is left alone (T_WAIT). */
  readonly waitMs: number;
  /** QoS 1 and 2 messages on their way to one client: 1 is all that most devices can keep apart. */
  readonly window: number;
  /** Topics that one client may register. */
  readonly registrations: number;
  /** Clients behind one forwarder. */
  readonly nodesPerForwarder: number;
  /** Messages a second from one address, on average. */
  readonly messagesPerSecond: number;
}

export const DEFAULT_SN_OPTIONS: SnOptions = {
  version: '1.2',
  gatewayId: 1,
  predefined: new Map(),
  clients: new Map(),
  qosMinusOne: true,
  roaming: true,
  verifyAddresses: false,
  retryMs: 10_000, // 10 to 15 s [MQTTSN12-7.2]
  retries: 3, // 3 to 5 [MQTTSN12-7.2]
  waitMs: 300_000, // more than 5 minutes [MQTTSN12-7.2]
  window: 1,
  registrations: 1_024,
  nodesPerForwarder: 1_024,
  messagesPerSecond: Number.POSITIVE_INFINITY,
};
