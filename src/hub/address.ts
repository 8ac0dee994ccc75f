// The address of whoever is at the other end, without its port.

/** `192.0.2.1:50312` and `[2001:db8::1]:50312` without their ports. */
export function addressOf(remote: string): string {
  const bracket = /^\[(.*)\]/.exec(remote);
  if (bracket !== null) return bracket[1]!;
  const colon = remote.lastIndexOf(':');
  return colon < 0 ? '' : remote.slice(0, colon);
}
