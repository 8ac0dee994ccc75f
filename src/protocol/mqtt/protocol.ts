// The MQTT tower as a Protocol: 3.1, 3.1.1 and 5.0 over any stream.

import type { Protocol } from '../../contract/wire.ts';
import { DEFAULT_MQTT_OPTIONS, type MqttOptions } from './options.ts';
import { MqttPeer } from './peer.ts';

/** The server side of MQTT. Options that are left out have the values of DEFAULT_MQTT_OPTIONS. */
export function mqtt(options: Partial<MqttOptions> = {}): Protocol {
  const complete: MqttOptions = { ...DEFAULT_MQTT_OPTIONS, ...options };
  return {
    name: 'mqtt',
    carrier: 'stream',
    matches: (first) => first[0] === 0x10, // CONNECT, which comes first [MQTT5-3.1.0-1]
    open: (wire, hub, now) => new MqttPeer(wire, hub, complete, now),
  };
}
