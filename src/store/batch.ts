// The open batch of a store: what `put` and `remove` gathered since the last commit, one entry a key.

/** Keys are 1 to this many octets. */
export const MAX_KEY_BYTES = 500;

/** A write: `value` undefined removes the key. */
export interface Write {
  readonly key: Uint8Array;
  value: Uint8Array | undefined;
}

/** A key as a string of one character an octet: equality and `<` on it are equality and memcmp on the octets. */
export function keyText(key: Uint8Array): string {
  if (key.length > 24) return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
  let text = '';
  for (let i = 0; i < key.length; i++) text += String.fromCharCode(key[i]!); // 150 vs 500 ns for 9 octets
  return text;
}

/**
 * Later writes of a key replace earlier ones here, so that a message put and settled within one batch costs the engine one operation
 * and no large value. Keys are copied (callers reuse a scratch buffer), values are not.
 */
export class Batch {
  readonly writes = new Map<string, Write>();
  /** Octets of keys and values. */
  bytes = 0;

  set(key: Uint8Array, value: Uint8Array | undefined): void {
    if (key.length === 0 || key.length > MAX_KEY_BYTES) {
      throw new RangeError(`a store key has 1 to ${MAX_KEY_BYTES} octets, this one has ${key.length}`);
    }
    const text = keyText(key);
    const known = this.writes.get(text);
    if (known !== undefined) {
      this.bytes += (value?.length ?? 0) - (known.value?.length ?? 0);
      known.value = value;
      return;
    }
    this.bytes += key.length + (value?.length ?? 0);
    this.writes.set(text, { key: new Uint8Array(key), value });
  }
}
