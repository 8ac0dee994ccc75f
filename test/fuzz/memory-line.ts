// Connections of test clients to a broker in memory.

import type { Dial } from '../fault/client.ts';
import type { Broker, ConnectOptions } from '../network.ts';

/** As `tcp` of the fault tests, on the virtual clock. */
export function memory(broker: Broker, options: ConnectOptions = {}): Dial {
  return (received, closed) => {
    const raw = broker.connect(options);
    raw.wire.peer = {
      receive(bytes, start, end) {
        received(bytes.slice(start, end));
        return end;
      },
      drained: () => {},
      wake: () => {},
      broken: () => {},
      lost: closed,
    };
    return {
      write: (octets) => raw.send(octets),
      stall: (on) => raw.stall(on),
      end: () => raw.end(),
      destroy: () => raw.cut(),
    };
  };
}
