// Messages as JSON and as CSV, for a file.

import { hexOf } from '../../../../src/admin/anatomy/part.ts';
import type { Line } from '../../client/lines.ts';
import { textOf } from '../../payload/view.ts';

export function exportJson(all: readonly Line[]): string {
  return JSON.stringify(all.map(plain), null, 2);
}

function plain(line: Line) {
  const text = textOf(line.payload);
  return {
    at: new Date(line.at).toISOString(),
    direction: line.direction,
    connection: line.connection,
    protocol: line.dialect,
    topic: line.topic,
    qos: line.qos,
    retain: line.retain,
    payload: text,
    payloadHex: text === undefined ? hexOf(line.payload) : undefined,
    ...(line.properties.length > 0 && { properties: line.properties }),
  };
}

/** What a spreadsheet would take for a formula. */
const FORMULA = /^[=+\-@\t\r]/;

/** [RFC4180-2] */
export function exportCsv(all: readonly Line[]): string {
  const cell = (value: unknown) => {
    const text = FORMULA.test(String(value)) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const rows = all.map((line) => {
    const p = plain(line);
    return [p.at, p.direction, p.connection, p.protocol, p.topic, p.qos, p.retain, p.payload ?? p.payloadHex]
      .map(cell)
      .join(',');
  });
  return ['at,direction,connection,protocol,topic,qos,retain,payload', ...rows].join('\r\n');
}
