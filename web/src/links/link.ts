// What every way to the hub has in common: one connection that subscribes, publishes and tells what arrives.

export type Dialect = 'mqtt5' | 'mqtt311' | 'waymeet' | 'http';

export const DIALECTS: Readonly<Record<Dialect, string>> = {
  mqtt5: 'MQTT 5',
  mqtt311: 'MQTT 3.1.1',
  waymeet: 'waymeet.v1 (JSON)',
  http: 'HTTP + SSE',
};

export type Qos = 0 | 1 | 2;

export interface LinkOptions {
  readonly dialect: Dialect;
  readonly clientId: string;
  readonly username: string;
  readonly password: string;
  readonly clean: boolean;
  /** How long the session outlives the connection, seconds. */
  readonly expirySeconds: number;
  readonly keepAliveSeconds: number;
  readonly will:
    | { readonly topic: string; readonly payload: string; readonly qos: Qos; readonly retain: boolean }
    | undefined;
}

export interface Outgoing {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly contentType: string;
  readonly responseTopic: string;
  readonly correlation: string;
  /** Seconds; 0: never. */
  readonly expirySeconds: number;
  readonly user: readonly (readonly [name: string, value: string])[];
}

export interface Arrived {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: number;
  readonly retain: boolean;
  readonly properties: readonly (readonly [name: string, value: string])[];
  readonly contentType: string | undefined;
  /** The packet as it came: octets of MQTT, or the text of a JSON frame or event. */
  readonly raw: Uint8Array | string;
}

export interface LinkEvents {
  /** Logged in. */
  up(clientId: string, resumed: boolean): void;
  /** Over, and why in a sentence. `again`: it may help to try once more. */
  down(why: string, again: boolean): void;
  message(m: Arrived): void;
}

export interface Link {
  /** Resolves with the QoS that was granted; rejects with the reason. */
  subscribe(filter: string, qos: Qos): Promise<number>;
  unsubscribe(filter: string): Promise<void>;
  /** Resolves once the hub has it, as surely as its QoS says. */
  publish(m: Outgoing): Promise<void>;
  close(): void;
}

export function webSocketUrl(path: string): string {
  return `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}${path}`;
}
