// Questions that wait for their answer, by number: what MQTT, CoAP and waymeet.v1 have in common.

export interface Waiting<T> {
  resolve(answer: T): void;
  reject(why: Error): void;
}

/** Numbers from 1 to 65,535, each free until it is asked with. */
export class Questions<T> {
  private readonly waiting = new Map<number, Waiting<T>>();
  private next = 1;

  ask(send: (id: number) => void): Promise<T> {
    while (this.waiting.has(this.next)) this.next = (this.next % 65_535) + 1;
    const id = this.next;
    this.next = (id % 65_535) + 1;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      send(id);
    });
  }

  /** The answer to a question; undefined when nobody asked. */
  take(id: number): Waiting<T> | undefined {
    const found = this.waiting.get(id);
    this.waiting.delete(id);
    return found;
  }

  /** The connection is over. */
  abandon(): void {
    const lost = new Error('the connection was lost before the answer');
    for (const { reject } of this.waiting.values()) reject(lost);
    this.waiting.clear();
  }
}
