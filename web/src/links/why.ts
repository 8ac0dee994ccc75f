// Why a connection did not come about: a browser says only that it failed, so the hub is asked again by plain HTTP.

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

/** What to open to see, and to accept, a certificate that the browser refuses. */
export function certificateLink(why: string): string | undefined {
  return why === GONE_OR_UNTRUSTED ? `${location.origin}/health/live` : undefined;
}
