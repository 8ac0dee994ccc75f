// What the hub tells everybody of itself.

export interface HubFacts {
  readonly version: string;
  readonly paths: {
    readonly mqtt: string;
    readonly json: string;
    readonly coap: string;
    readonly stomp: string;
  };
  readonly loginNeeded: boolean;
  readonly listeners: readonly {
    name: string;
    address: string;
    type: string;
    protocols: string[];
    connections: number;
  }[];
}
