// What a recipe is: lines to paste, for one protocol and one tool, with this hub's host and port.

import type { HubFacts } from '../../hub-facts.ts';
import type { Carrier } from './hub-ports.ts';

export interface Place {
  readonly host: string;
  readonly port: number;
  /** `http://host:port` of this page. */
  readonly web: string;
  readonly paths: HubFacts['paths'];
  readonly topic: string;
  /** Empty: the hub lets everybody in, or the person has not said who the device is. */
  readonly user: string;
  readonly password: string;
}

export interface Tool {
  readonly name: string;
  /** How it comes onto the machine. */
  readonly install: string;
  readonly publish: string;
  /** Empty: it is in `publish`. */
  readonly subscribe: string;
}

export interface ProtocolEntry {
  readonly id: string;
  readonly title: string;
  readonly about: string;
  /** Names of it among the hub's listeners. */
  readonly protocols: readonly string[];
  readonly carrier: Carrier;
  /** What to write in `waymeet.yaml` when nothing listens. */
  readonly enable: string;
  tools(place: Place): readonly Tool[];
}

export const TLS_LINES = 'tls: { cert: ./cert.pem, key: ./key.pem }';
