// Which anatomy a packet has, by the protocol that it was spoken in.

import type { Dialect, Raw } from '../links/link.ts';
import { anatomyOfCoap, nameOfCoap } from './coap.ts';
import { anatomyOfMqtt, nameOfMqtt } from './mqtt.ts';
import type { Part } from './part.ts';
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
