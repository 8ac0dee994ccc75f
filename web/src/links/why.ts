// Why a connection did not come about, or ended: a browser says only that it failed, so the hub is asked again by plain HTTP.

import { WaymeetError } from '../../../src/client/error.ts';
import { reasonName } from '../../../src/client/reasons.ts';
import type { Dialect } from './link.ts';

/** A sentence for a person about a WebSocket that never opened. */
export async function whyNot(): Promise<string> {
  try {
    const response = await fetch('/health/live', { cache: 'no-store' });
    if (response.status === 404) return 'the hub is there and refused the WebSocket';
    return response.ok
      ? 'the hub is there and refused the WebSocket: its listener does not speak this protocol, or has as many connections as it takes'
      : `the hub answers, and is not ready (HTTP ${response.status})`;
  } catch {
    return location.protocol === 'https:' ? GONE_OR_UNTRUSTED : 'the hub does not answer';
  }
}

/** A page cannot tell these two apart. `certificateLink` is where one can. */
const GONE_OR_UNTRUSTED = 'the hub does not answer, or the browser does not trust its certificate any more';

/** What went wrong, for a person. */
export function sentenceOf(error: unknown, dialect: Dialect): string {
  if (!(error instanceof WaymeetError))
    return (error as Error | undefined)?.message ?? 'the connection was lost';
  const { code, status, fix, reason, cause } = error;
  if (dialect === 'mqtt311' && status === 0x80)
    return 'refused: MQTT 3.1.1 cannot say why; mostly a rule of the hub does not allow it';
  // Who refused is clear here: there is one hub.
  const said = named(cause instanceof Error ? cause.message : reason, reasonName(error));
  const goodbye = GOODBYES.has(code) ? 'the hub said goodbye: ' : '';
  return `${goodbye}${said}${fix === '' ? '' : `: ${fix}`}`;
}

/** `taken over (0x8e)` with the name that the standard has for it. */
function named(said: string, name: string): string {
  return name === '' ? said : said.replace(/\((0x[\da-f]{2})\)/, `($1 ${name})`);
}

const GOODBYES: ReadonlySet<string> = new Set(['taken-over', 'disconnected-by-admin', 'shutting-down']);

/** What to open to see, and to accept, a certificate that the browser refuses. */
export function certificateLink(why: string): string | undefined {
  return why === GONE_OR_UNTRUSTED ? `${location.origin}/health/live` : undefined;
}
