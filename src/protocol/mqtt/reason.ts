// Which reason codes each packet of MQTT 5 may carry, and who may send them.

import { ProtocolError } from '../../contract/outcome.ts';
import { BROKEN_RULE } from './fault.ts';
import { AUTH, CONNACK, DISCONNECT, PUBACK, PUBCOMP, PUBREC, PUBREL, SUBACK, UNSUBACK } from './packet.ts';

export type Role = 'client' | 'server';

interface Row {
  readonly clause: string;
  readonly client: readonly number[];
  readonly server: readonly number[];
}

const PUBLISHED = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const RELEASED = [0x00, 0x92];
const GOODBYE = [0x00, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];

const ROWS: Record<number, Row> = {
  [CONNACK]: {
    clause: 'MQTT5-3.2.2-8',
    client: [],
    server: [
      0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99,
      0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
    ],
  },
  [PUBACK]: { clause: 'MQTT5-3.4.2-1', client: PUBLISHED, server: PUBLISHED },
  [PUBREC]: { clause: 'MQTT5-3.5.2-1', client: PUBLISHED, server: PUBLISHED },
  [PUBREL]: { clause: 'MQTT5-3.6.2-1', client: RELEASED, server: RELEASED },
  [PUBCOMP]: { clause: 'MQTT5-3.7.2-1', client: RELEASED, server: RELEASED },
  [SUBACK]: {
    clause: 'MQTT5-3.9.3-2',
    client: [],
    server: [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2],
  },
  [UNSUBACK]: {
    clause: 'MQTT5-3.11.3-2',
    client: [],
    server: [0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91],
  },
  // The standard leaves 0x00 to the client; brokers send it all the same, and a goodbye is no reason to complain.
  [DISCONNECT]: {
    clause: 'MQTT5-3.14.2-1',
    client: [...GOODBYE, 0x04],
    server: [
      ...GOODBYE,
      0x87,
      0x89,
      0x8b,
      0x8d,
      0x8e,
      0x8f,
      0x9a,
      0x9b,
      0x9c,
      0x9d,
      0x9e,
      0x9f,
      0xa0,
      0xa1,
      0xa2,
    ],
  },
  [AUTH]: { clause: 'MQTT5-3.15.2-1', client: [0x18, 0x19], server: [0x00, 0x18] },
};

/** The codes that `from` may send in packets of `type`. */
export function reasonCodes(type: number, from: Role): readonly number[] {
  const row = ROWS[type];
  return row === undefined ? [] : row[from];
}

/** Throws ProtocolError 0x82 unless `from` may send `code` in a packet of `type`. */
export function checkReason(type: number, code: number, from: Role): void {
  const row = ROWS[type]!;
  if (row[from].includes(code)) return;
  throw new ProtocolError(row.clause, `reason code 0x${code.toString(16)} may not stand here`, BROKEN_RULE);
}
