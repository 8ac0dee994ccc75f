// What the hub said when it let us in, as pairs to show.

import type { Opened } from '../../../src/contract/speaker.ts';
import { bytes } from '../parts/numbers.ts';

/** Only what it did say. */
export function greetingOf(o: Opened): [name: string, value: string][] {
  const exact = (n: number) => n.toLocaleString('en');
  const seconds = (ms: number) => (Number.isFinite(ms) ? `${exact(ms / 1_000)} s` : 'for ever');
  const told: [string, string | number | undefined][] = [
    ['speaks', o.server],
    ['session', o.ability.sessions ? (o.resumed ? 'resumed' : 'new') : undefined],
    ['kept for', o.sessionExpiryMs && seconds(o.sessionExpiryMs)],
    ['keep alive', o.keepAliveMs && seconds(o.keepAliveMs)],
    ['receive maximum', o.receiveMaximum && exact(o.receiveMaximum)],
    ['largest packet', Number.isFinite(o.maxPacketBytes) ? bytes(o.maxPacketBytes!) : undefined],
    ['topic aliases', o.topicAliases && exact(o.topicAliases)],
    ['publishes at', `QoS ${o.ability.publishQos.join(', ')}`],
    ['reason', o.reason],
    ...(o.user ?? []).map(({ name, value }): [string, string] => [`user: ${name}`, String(value)]),
  ];
  return told.flatMap(([name, value]) => (value ? [[name, String(value)]] : []));
}
