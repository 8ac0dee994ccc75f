// Where the hub listens, as a device must know it: by protocol and by what carries it.

import type { HubFacts } from '../../hub-facts.ts';

export type Carrier = 'tcp' | 'tls' | 'udp' | 'dtls' | 'ws' | 'wss';

/** The port of the first listener that speaks one of `protocols` over `carrier`; undefined: there is none. */
export function portOf(
  listeners: HubFacts['listeners'],
  protocols: readonly string[],
  carrier: Carrier,
): number | undefined {
  const found = listeners.find((l) => l.type === carrier && l.protocols.some((p) => protocols.includes(p)));
  const port = /:(\d+)\/?$/.exec(found?.address ?? '')?.[1];
  return port === undefined ? undefined : Number(port);
}
