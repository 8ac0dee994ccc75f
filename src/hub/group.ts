// A `$share` group: one mailbox that several clients consume, each message going to one of them.

import type { Consumer, Subscription } from '../contract/mailbox.ts';
import type { Qos } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import { Box, type BoxHost, type Entry, type QueueLimits, type Seat } from './box.ts';
import { key } from './journal.ts';
import type { OwnBox } from './mailbox.ts';
import type { Item } from './queue.ts';

interface Member extends Seat {
  readonly box: OwnBox;
}

export class Group extends Box {
  /** Its place in the index. */
  entry: Entry | undefined = undefined;
  /** Mailboxes that subscribe to it, whether their client is there or not. */
  readonly holders = new Set<OwnBox>();
  private readonly members: Member[] = [];
  private next = 0;

  constructor(name: string, limits: QueueLimits, host: BoxHost) {
    super(name, true, limits, host);
  }

  get attended(): boolean {
    return this.members.length > 0;
  }

  /** Members take turns, message by message; one that has no room is passed over. */
  protected seat(qos: Qos): Seat | undefined {
    const count = this.members.length;
    for (let i = 0; i < count; i++) {
      const at = (this.next + i) % count;
      const member = this.members[at]!;
      if (member.consumer.ready(qos)) {
        this.next = (at + 1) % count;
        return member;
      }
    }
    return undefined;
  }

  /** A run would reach one member as a burst. */
  protected lane(): number {
    return 0;
  }

  join(box: OwnBox, consumer: Consumer, s: Subscription): void {
    const grant = { qos: s.qos, tags: [s.tag] };
    const known = this.members.findIndex((member) => member.box === box);
    if (known >= 0) {
      this.replace(this.members[known]!, { consumer, grant, box }, known);
      return;
    }
    this.members.push({ consumer, grant, box });
    this.pull();
  }

  /** The member subscribed again: what it has in hand stays with it. */
  private replace(old: Member, renewed: Member, at: number): void {
    this.members[at] = renewed;
    for (const item of this.sent.values()) if (item.seat === old) item.seat = renewed;
  }

  /** A member is gone: what it did not answer goes to the others. */
  part(box: OwnBox): void {
    const at = this.members.findIndex((member) => member.box === box);
    if (at < 0) return;
    const [gone] = this.members.splice(at, 1);
    if (this.next > at) this.next--;
    this.takeBack((item) => item.seat === gone, false);
    this.pull();
  }

  /**
   * Exactly once: from the first attempt on only that client may get it, even after it was away [MQTT5-4.8.2-4], and nobody when it
   * does not come back [MQTT5-4.8.2-5]. So the message moves into the client's own mailbox.
   */
  protected override hand(item: Item, seat: Seat): void {
    const qos = item.qos < seat.grant!.qos ? item.qos : seat.grant!.qos;
    const { box } = seat as Member;
    if (qos < 2) {
      super.hand(item, seat);
      return;
    }
    box.adopt(item.message, seat.grant!, item.replayed);
    this.discard(item);
  }

  evict(why: Outcome): void {
    for (const member of [...this.members]) member.consumer.evict(why);
  }

  /** Gives it a record in the store, once a mailbox that is stored takes part. */
  store(): void {
    const { journal } = this.host;
    if (journal === undefined || this.stored) return;
    this.number = journal.number();
    journal.put(key('s', this.number), (w) => {
      w.text('');
      w.text(this.name);
    });
  }

  end(): void {
    const { journal } = this.host;
    this.empty();
    if (journal !== undefined && this.stored) journal.remove(key('s', this.number));
    this.number = 0;
  }
}
