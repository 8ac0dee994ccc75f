// Which anatomy a packet has, by the protocol that it was spoken in.

import { anatomyOfCoap, nameOfCoap } from '../../../src/admin/anatomy/coap.ts';
import { anatomyOfMqtt, nameOfMqtt } from '../../../src/admin/anatomy/mqtt.ts';
import type { Part } from '../../../src/admin/anatomy/part.ts';
import type { Dialect, Raw } from '../links/link.ts';
import { anatomyOfJson, anatomyOfLines } from './text.ts';

export function anatomyOf(raw: Raw, dialect: Dialect): Part[] {
  if (typeof raw === 'string') return dialect === 'waymeet' ? anatomyOfJson(raw) : anatomyOfLines(raw);
  return dialect === 'coap' ? anatomyOfCoap(raw, false) : anatomyOfMqtt(raw, dialect === 'mqtt5');
}

/** What a packet is called, for a list of them. */
export function packetName(raw: Raw, dialect: Dialect): string {
  if (typeof raw !== 'string') return dialect === 'coap' ? nameOfCoap(raw, false) : nameOfMqtt(raw);
  if (dialect === 'waymeet') return (JSON.parse(raw) as { type?: string }).type ?? 'frame';
  return raw.slice(0, raw.search(/[\s:]|$/));
}

export function octetsOf(raw: Raw): Uint8Array {
  return typeof raw === 'string' ? new TextEncoder().encode(raw) : raw;
}
