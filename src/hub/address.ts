// The address of whoever is at the other end, without its port; and names that can only mean this machine.

/** `192.0.2.1:50312` and `[2001:db8::1]:50312` without their ports. */
export function addressOf(remote: string): string {
  const bracket = /^\[(.*)\]/.exec(remote);
  if (bracket !== null) return bracket[1]!;
  const colon = remote.lastIndexOf(':');
  return colon < 0 ? '' : remote.slice(0, colon);
}

/** Whether `localhost:8080`, as Host says it, is this machine whatever a name server says. */
export function isLocalHost(host: string): boolean {
  return /^(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$/i.test(host);
}

/**
 * Whether a request to `host` may be answered by a hub that lets in whoever reaches it: a page elsewhere can make a name of its own point to
 * this machine; it cannot make it `localhost`. Pages of `origins` are welcome under their own name.
 */
export function isHostWelcome(host: string | undefined, origins: readonly string[] | undefined): boolean {
  if (host === undefined || isLocalHost(host) || origins?.includes('*') === true) return true;
  return (
    origins?.some((origin) => URL.canParse(origin) && new URL(origin).host === host.toLowerCase()) === true
  );
}
