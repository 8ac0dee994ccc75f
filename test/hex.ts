// Octets written for people: hex with spaces, and text in single quotes.

const TOKEN = /'([^']*)'|([0-9a-f]{2})(?=\s|$)|(\S+)/g;

/** The octets of `00 04 'MQTT' 05`. */
export function octets(written: string): Uint8Array {
  const out: number[] = [];
  for (const [, text, pair, wrong] of written.matchAll(TOKEN)) {
    if (wrong !== undefined) throw new Error(`neither hex nor text: ${wrong}`);
    if (text !== undefined) out.push(...new TextEncoder().encode(text));
    else out.push(Number.parseInt(pair!, 16));
  }
  return Uint8Array.from(out);
}

/** `30 05 00 01 61`, as `octets` reads it. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (octet) => octet.toString(16).padStart(2, '0')).join(' ');
}
