// Who speaks to a datagram socket: found by address and port, in the order of when they were heard last.

/** What is kept of each. */
export interface Remote {
  readonly at: { readonly address: string; readonly port: number };
  readonly heardAt: number;
}

/** Moving one to the end for each datagram would cost more than its place is worth. */
const ORDER_MS = 1_000;

export class Remotes<R extends Remote> {
  private readonly byAddress = new Map<string, Map<number, R>>();
  /** Least recently heard first, to a second; with when each took its place. */
  private readonly order = new Map<R, number>();

  get size(): number {
    return this.order.size;
  }

  find(address: string, port: number): R | undefined {
    return this.byAddress.get(address)?.get(port);
  }

  add(remote: R): void {
    const { address, port } = remote.at;
    const there = this.byAddress.get(address);
    if (there === undefined) this.byAddress.set(address, new Map([[port, remote]]));
    else there.set(port, remote);
    this.order.set(remote, remote.heardAt);
  }

  /** It was heard again. */
  touch(remote: R): void {
    const placedAt = this.order.get(remote);
    if (placedAt === undefined || remote.heardAt - placedAt < ORDER_MS) return;
    this.order.delete(remote);
    this.order.set(remote, remote.heardAt);
  }

  remove(remote: R): void {
    if (!this.order.delete(remote)) return;
    const { address, port } = remote.at;
    const there = this.byAddress.get(address)!;
    there.delete(port);
    if (there.size === 0) this.byAddress.delete(address);
  }

  values(): IterableIterator<R> {
    return this.order.keys();
  }
}
