// Messages as the API lists them.

import type { Arrived } from '../links/link.ts';

/** As `waymeet.v1` writes them too. */
export interface JsonMessage {
  readonly topic: string;
  readonly payload?: string;
  readonly payloadBase64?: string;
  readonly qos?: number;
  readonly retain?: boolean;
  readonly contentType?: string;
  readonly user?: readonly { readonly name: string; readonly value: unknown }[];
}

export function arrivedOf(m: JsonMessage): Arrived {
  const { topic, payload, payloadBase64, qos, retain, user, ...rest } = m;
  const named: [string, string][] = Object.entries(rest)
    .filter(([name]) => name !== 'type' && name !== 'ack')
    .map(([name, value]) => [name, typeof value === 'object' ? JSON.stringify(value) : String(value)]);
  for (const { name, value } of user ?? [])
    named.push([`user: ${name}`, typeof value === 'object' ? JSON.stringify(value) : String(value)]);
  const octets =
    payloadBase64 === undefined
      ? new TextEncoder().encode(payload ?? '')
      : Uint8Array.from(atob(payloadBase64), (c) => c.charCodeAt(0));
  return {
    topic,
    payload: octets,
    qos: qos ?? 0,
    retain: retain ?? false,
    properties: named,
    contentType: m.contentType,
    raw: '',
  };
}
