// A run as comma-separated values, one row for each cell, sweeps with it.

import type { Cell } from '../result.ts';
import type { Run } from './read.ts';

type Value = string | number;

const FIELDS: readonly (readonly [name: string, of: (c: Cell) => Value])[] = [
  ['run', (c) => c.run],
  ['seed', (c) => c.seed],
  ['network', (c) => c.network],
  ['variant', (c) => c.variant],
  ['sweep', (c) => c.point?.kind ?? ''],
  ['sweep_value', (c) => c.point?.value ?? ''],
  ['published', (c) => c.messages.published],
  ['expected', (c) => c.messages.expected],
  ['delivered', (c) => c.messages.delivered],
  ['lost', (c) => c.messages.lost],
  ['duplicated', (c) => c.messages.duplicated],
  ['out_of_order', (c) => c.messages.outOfOrder],
  ['refused', (c) => c.messages.refused],
  ['latency_mean_ms', (c) => c.latency.mean],
  ['latency_p50_ms', (c) => c.latency.p50],
  ['latency_p90_ms', (c) => c.latency.p90],
  ['latency_p99_ms', (c) => c.latency.p99],
  ['latency_max_ms', (c) => c.latency.max],
  ['setup_ms', (c) => c.setupMs],
  ['round_trips', (c) => c.roundTrips],
  ['setup_octets', (c) => c.setupBytes],
  ['octets_per_message', (c) => c.bytesPerMessage],
  ['octets_link', (c) => c.bytes.link],
  ['octets_ip', (c) => c.bytes.ip],
  ['octets_transport', (c) => c.bytes.transport],
  ['octets_security', (c) => c.bytes.security],
  ['octets_framing', (c) => c.bytes.framing],
  ['octets_protocol', (c) => c.bytes.protocol],
  ['octets_payload', (c) => c.bytes.payload],
  ['octets_repeated', (c) => c.bytes.repeated],
  ['octets_total', (c) => c.bytes.total],
  ['packets_up', (c) => c.packets.up],
  ['packets_down', (c) => c.packets.down],
  ['lost_frames', (c) => c.packets.lostFrames],
  ['tcp_retransmissions', (c) => c.tcp.retransmissions],
  ['tcp_timeouts', (c) => c.tcp.timeouts],
  ['connections', (c) => c.connections],
  ['recovery_ms', (c) => c.recoveryMs ?? ''],
  ['idle_octets_an_hour', (c) => c.idle.bytesPerHour],
  ['idle_packets_an_hour', (c) => c.idle.packetsPerHour],
  ['energy_proxy_model', (c) => c.energy.model],
  ['energy_proxy_mj', (c) => c.energy.proxyMj],
  ['radio_on_ms', (c) => c.energy.onMs],
  ['radio_wake_ups', (c) => c.energy.wakeUps],
  ['virtual_ms', (c) => c.virtualMs],
  ['host_client_cpu_ms', (c) => c.host.clientMs],
  ['host_server_cpu_ms', (c) => c.host.serverMs],
  ['host_bytes_per_client', (c) => c.host.bytesPerClient ?? ''],
  ['failure', (c) => c.failure ?? ''],
];

export function csvOf(run: Run): string {
  const rows = [...run.cells, ...run.sweeps].map((c) => FIELDS.map(([, of]) => quoted(of(c))).join(','));
  return `${[FIELDS.map(([name]) => name).join(','), ...rows].join('\n')}\n`;
}

/** RFC 4180, section 2 */
function quoted(value: Value): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
