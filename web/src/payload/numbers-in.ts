// Numbers in payloads, for charts: by content type like the views, and JSON or a bare number where none is said.

import { decodeCbor, decodeMessagePack } from './binary.ts';
import { textOf, viewOf } from './view.ts';

const MAX_FIELDS = 50;

/** Paths of the numbers (`a.b`, `list.0`); the empty path is the payload itself. */
export function numericFields(payload: Uint8Array, contentType: string | undefined): string[] {
  const found: string[] = [];
  const visit = (value: unknown, path: string) => {
    if (found.length >= MAX_FIELDS) return;
    if (typeof value === 'number') found.push(path);
    else if (typeof value === 'object' && value !== null)
      for (const [key, inner] of Object.entries(value)) visit(inner, path === '' ? key : `${path}.${key}`);
  };
  visit(readValue(payload, contentType), '');
  return found;
}

export function numberIn(
  payload: Uint8Array,
  contentType: string | undefined,
  path: string,
): number | undefined {
  let value = readValue(payload, contentType);
  for (const step of path === '' ? [] : path.split('.'))
    value = (value as Record<string, unknown> | null)?.[step];
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function readValue(payload: Uint8Array, contentType: string | undefined): unknown {
  try {
    const as = viewOf(payload, contentType);
    if (as === 'cbor') return decodeCbor(payload);
    if (as === 'msgpack') return decodeMessagePack(payload);
    return JSON.parse(textOf(payload) ?? '');
  } catch {
    return undefined; // no such value: nothing to draw
  }
}
