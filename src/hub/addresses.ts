// How many clients each address has.

export class Addresses {
  private readonly counts = new Map<string, number>();

  /** `remote` with its port, `192.0.2.1:50312` or `[2001:db8::1]:50312`; the port does not matter. */
  count(remote: string): number {
    return this.counts.get(hostOf(remote)) ?? 0;
  }

  add(remote: string): void {
    const host = hostOf(remote);
    this.counts.set(host, (this.counts.get(host) ?? 0) + 1);
  }

  remove(remote: string): void {
    const host = hostOf(remote);
    const count = this.counts.get(host) ?? 1;
    if (count > 1) this.counts.set(host, count - 1);
    else this.counts.delete(host);
  }
}

function hostOf(remote: string): string {
  const colon = remote.lastIndexOf(':');
  return colon < 0 ? remote : remote.slice(0, colon);
}
