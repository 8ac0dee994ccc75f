// What has arrived and nobody has asked for yet, with a limit on how long one waits for more.

/** Long for a machine that is busy with other tests; only a failure takes so long. */
export const PATIENCE_MS = 10_000;

export class Inbox<T> {
  private readonly arrived: T[] = [];
  private waiting: (() => void) | undefined;
  private readonly what: string;

  constructor(what: string) {
    this.what = what;
  }

  push(one: T): void {
    this.arrived.push(one);
    this.waiting?.();
  }

  /** The next `count` in order. Rejects when they do not come in time. */
  async take(count: number, ms = PATIENCE_MS): Promise<T[]> {
    await within(ms, `${count} of ${this.what}`, async () => {
      while (this.arrived.length < count) await this.more();
    }).catch((why: Error) => {
      throw new Error(`${why.message}; there are ${this.arrived.length}`);
    });
    return this.arrived.splice(0, count);
  }

  async next(ms = PATIENCE_MS): Promise<T> {
    return (await this.take(1, ms))[0]!;
  }

  /** The next one that fits; those before it are dropped. */
  async find(fits: (one: T) => boolean, ms = PATIENCE_MS): Promise<T> {
    for (;;) {
      const one = await this.next(ms);
      if (fits(one)) return one;
    }
  }

  /** Everything that is there now. */
  all(): T[] {
    return this.arrived.splice(0);
  }

  private more(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting = resolve;
    });
  }
}

/** Rejects when `act` takes longer than `ms`. */
export async function within<T>(ms: number, what: string, act: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  try {
    return await Promise.race([act(), late]);
  } finally {
    clearTimeout(timer);
  }
}
