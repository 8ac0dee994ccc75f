// Who speaks to a datagram socket: found by address and port, in the order of when they were heard last.

/** What is kept of each. */
export interface Remote {
  readonly host: string;
  readonly port: number;
  readonly heardAt: number;
}

export class Remotes<R extends Remote> {
  private readonly byAddress = new Map<string, Map<number, R>>();
  /** Least recently heard first; with the second in which each took its place. */
  private readonly order = new Map<R, number>();

  get size(): number {
    return this.order.size;
  }

  find(address: string, port: number): R | undefined {
    return this.byAddress.get(address)?.get(port);
  }

  add(remote: R): void {
    const { host, port } = remote;
    const there = this.byAddress.get(host);
    if (there === undefined) this.byAddress.set(host, new Map([[port, remote]]));
    else there.set(port, remote);
    this.order.set(remote, secondOf(remote));
  }

  /** It was heard again. */
  touch(remote: R): void {
    const second = secondOf(remote);
    const placed = this.order.get(remote);
    if (placed === undefined || placed === second) return;
    this.order.delete(remote);
    this.order.set(remote, second);
  }

  remove(remote: R): void {
    if (!this.order.delete(remote)) return;
    const { host, port } = remote;
    const there = this.byAddress.get(host)!;
    there.delete(port);
    if (there.size === 0) this.byAddress.delete(host);
  }

  values(): IterableIterator<R> {
    return this.order.keys();
  }
}

/** Moving one to the end for each datagram would cost more than its place is worth. */
function secondOf({ heardAt }: Remote): number {
  return Math.floor(heardAt / 1_000);
}
