// MQTT-SN as the hub's owner sees it: one protocol over datagrams, plain or DTLS.

import type { Protocol } from '../../contract/wire.ts';
import type { SnDevice } from './device.ts';
import { encodeSn } from './encode.ts';
import { DEFAULT_SN_OPTIONS, type SnOptions } from './options.ts';
import { ADVERTISE } from './packet.ts';
import { SnPeer } from './peer.ts';
import { sharedOf } from './shared.ts';
import { Predefined } from './topics.ts';

/** The gateway's side of MQTT-SN, the hub itself being the broker. Options that are left out have their default. */
export function mqttsn(options: Partial<SnOptions> = {}): Protocol {
  const complete: SnOptions = { ...DEFAULT_SN_OPTIONS, ...options };
  const predefined = new Predefined(complete.predefined, complete.clients);
  return {
    name: 'mqttsn',
    carrier: 'datagram',
    open: (wire, hub, now) =>
      new SnPeer(wire, { hub, options: complete, predefined, shared: sharedOf<SnDevice>(hub) }, now),
  };
}

/** The datagram that tells a network of this gateway, to be sent every `seconds` [MQTTSN12-6.1]. */
export function advertisement(gatewayId: number, seconds: number): Uint8Array {
  return encodeSn({ type: ADVERTISE, gateway: gatewayId, duration: seconds });
}
