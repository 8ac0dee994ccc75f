// One normative statement of an MQTT standard as a row of the ledger, and the three ways to write one.

export interface Row {
  /** `MQTT311-2.3.1-1` or `MQTT5-2.2.1-3`. */
  readonly id: string;
  /** What it asks for, in our own words. */
  readonly says: string;
  /** Who can break it. 'client' rows need no broker test and say why. */
  readonly applies: 'server' | 'client' | 'both';
  readonly reason?: string;
}

/** The broker alone can break it, or must answer when a client does. */
export function server(id: string, says: string): Row {
  return { id, says, applies: 'server' };
}

/** Both sides can break it; the broker's side is tested. */
export function both(id: string, says: string): Row {
  return { id, says, applies: 'both' };
}

/** Only a client can break it, and the broker cannot see it or need not answer. */
export function client(id: string, says: string, reason: string): Row {
  return { id, says, applies: 'client', reason };
}
