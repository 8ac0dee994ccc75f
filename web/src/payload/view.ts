// How a payload is shown: by its content type, or as the person says; what it is not is said, never guessed around.

import { hexOf } from '../../../src/admin/anatomy/part.ts';
import { decodeCbor, decodeMessagePack } from './binary.ts';

export type PayloadView = 'auto' | 'text' | 'json' | 'hex' | 'cbor' | 'msgpack';

export const VIEWS: Readonly<Record<PayloadView, string>> = {
  auto: 'Auto',
  text: 'Text',
  json: 'JSON',
  hex: 'Hex',
  cbor: 'CBOR',
  msgpack: 'MsgPack',
};

export interface Shown {
  /** The view that was used. */
  readonly as: Exclude<PayloadView, 'auto'>;
  readonly text: string;
  /** The payload is not what the view needs; `text` says why. */
  readonly wrong: boolean;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function show(payload: Uint8Array, view: PayloadView, contentType: string | undefined): Shown {
  const as = view === 'auto' ? viewOf(payload, contentType) : view;
  try {
    return { as, text: shown(payload, as), wrong: false };
  } catch (error) {
    return { as, text: `not ${VIEWS[as]}: ${(error as Error).message}`, wrong: true };
  }
}

/** Without a content type: text where it is UTF-8, and hex where it is not. */
export function viewOf(payload: Uint8Array, contentType: string | undefined): Shown['as'] {
  const type = (contentType ?? '').split(';')[0]!.trim().toLowerCase();
  if (/(?:^|[/+])json$/.test(type)) return 'json';
  if (/(?:^|[/+])cbor$/.test(type)) return 'cbor';
  if (/(?:^|[/+])(?:x-)?msgpack$/.test(type)) return 'msgpack';
  return textOf(payload) === undefined ? 'hex' : 'text';
}

function shown(payload: Uint8Array, as: Shown['as']): string {
  switch (as) {
    case 'text': {
      const text = textOf(payload);
      if (text === undefined) throw new Error('these octets are not UTF-8');
      return text;
    }
    case 'json':
      return JSON.stringify(JSON.parse(utf8.decode(payload)), null, 2);
    case 'hex':
      return dump(payload);
    case 'cbor':
      return pretty(decodeCbor(payload));
    case 'msgpack':
      return pretty(decodeMessagePack(payload));
  }
}

export function textOf(payload: Uint8Array): string | undefined {
  try {
    return utf8.decode(payload);
  } catch {
    return undefined; // not UTF-8
  }
}

function pretty(value: unknown): string {
  const text = JSON.stringify(
    value,
    (_key, v: unknown) => (typeof v === 'bigint' ? `${v}` : v === undefined ? 'undefined' : v),
    2,
  );
  return text ?? 'undefined';
}

const ROW = 16;
const MAX_DUMPED = 16_384;

/** `0000  48 65 6c …  Hel…`, a line each 16 octets. */
export function dump(octets: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < Math.min(octets.length, MAX_DUMPED); at += ROW) {
    const row = octets.subarray(at, at + ROW);
    const letters = [...row].map((o) => (o >= 0x20 && o < 0x7f ? String.fromCharCode(o) : '·')).join('');
    lines.push(`${at.toString(16).padStart(4, '0')}  ${hexOf(row).padEnd(ROW * 3)} ${letters}`);
  }
  if (octets.length > MAX_DUMPED) lines.push(`… and ${octets.length - MAX_DUMPED} octets more`);
  return lines.join('\n');
}

const MAX_SUMMARY = 200;
const MAX_PARSED = 4_096;

/** One line of it, for a list. */
export function summary(payload: Uint8Array, contentType: string | undefined): string {
  if (payload.length === 0) return '(empty)';
  // A large payload is not looked at whole for two hundred characters of it.
  const { text, wrong, as } =
    payload.length > MAX_PARSED
      ? show(beginning(payload), 'auto', undefined)
      : show(payload, 'auto', contentType);
  if (wrong || as === 'hex') return `${payload.length} octets: ${hexOf(payload.subarray(0, 24))}`;
  // JSON as it came, not drawn out over lines.
  const line = as === 'json' ? (textOf(payload) ?? text) : text;
  return line.replace(/\s+/g, ' ').slice(0, MAX_SUMMARY);
}

/** The beginning, without half a character at its end. */
function beginning(payload: Uint8Array): Uint8Array {
  let end = MAX_SUMMARY;
  while (end > 0 && (payload[end]! & 0xc0) === 0x80) end--;
  return payload.subarray(0, end);
}
