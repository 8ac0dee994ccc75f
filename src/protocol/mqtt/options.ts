// The settings of the MQTT tower.

export interface MqttOptions {
  /** A longer keep alive, or none, is lowered to this for MQTT 5 clients, which are told so; 0: any is accepted. */
  readonly maxKeepAliveSeconds: number;
  /** Topic aliases that a client may use towards us; 0: none. */
  readonly topicAliasMaximum: number;
  /** Topic aliases that we use towards a client at most, if it allows so many; 0: none. */
  readonly outgoingAliasMaximum: number;
  /** Refuse a payload that is said to be UTF-8 and is not. */
  readonly checkPayloadFormat: boolean;
  /** Sends every client to another server (MQTT 5 clients are told which). */
  readonly serverReference: string | undefined;
  /** The other server is to be used for good. */
  readonly serverMoved: boolean;
  /** What a client that asks is told to build its response topics from; `%c` becomes its client id. */
  readonly responseInformation: string | undefined;
  /** Whether frames may pass as the octets that they are where nobody needs a Message. The meaning is the same either way. */
  readonly lane: boolean;
}

export const DEFAULT_MQTT_OPTIONS: MqttOptions = {
  maxKeepAliveSeconds: 0,
  topicAliasMaximum: 64,
  outgoingAliasMaximum: 64,
  checkPayloadFormat: false,
  serverReference: undefined,
  serverMoved: false,
  responseInformation: undefined,
  lane: true,
};
