// Topic aliases of MQTT 5: small numbers that stand for topic names on one connection, each direction with a table of its own.

import { ProtocolError } from '../../contract/outcome.ts';

/** What the client's aliases mean. Allocated at the first alias. */
export class IncomingAliases {
  private readonly topics = new Map<number, string>();
  private readonly maximum: number;

  constructor(maximum: number) {
    this.maximum = maximum;
  }

  /** The topic name of a PUBLISH with alias `alias`; an empty `topic` asks for what it stands for. */
  resolve(alias: number, topic: string): string {
    if (alias > this.maximum)
      throw new ProtocolError(
        'MQTT5-3.3.2-9',
        `topic alias ${alias} is above the maximum of ${this.maximum}`,
        0x94,
      );
    if (topic !== '') {
      this.topics.set(alias, topic); // replaces an earlier mapping [MQTT5-3.3.2-12]
      return topic;
    }
    const known = this.topics.get(alias);
    if (known === undefined)
      throw new ProtocolError('MQTT5-3.3.2-7', `topic alias ${alias} stands for nothing yet`, 0x82);
    return known;
  }
}

/**
 * Which topics have an alias towards the client. A topic gets one when it is sent a second time, so that topics that never come back
 * use none up; when all are in use, the one that was given longest ago changes its meaning.
 */
export class OutgoingAliases {
  private readonly maximum: number;
  private readonly given = new Map<string, number>();
  private readonly seen = new Set<string>();
  private used = 0;

  constructor(maximum: number) {
    this.maximum = maximum;
  }

  /** Topics that were sent once. */
  get candidates(): number {
    return this.seen.size;
  }

  /** The alias that the client knows for `topic`, or 0. */
  known(topic: string): number {
    return this.given.get(topic) ?? 0;
  }

  /** An alias to introduce for `topic` with the frame about to be sent, or 0 when it was not sent before. */
  introduce(topic: string): number {
    if (!this.seen.delete(topic)) {
      if (this.seen.size >= this.maximum * 4) this.seen.clear();
      this.seen.add(topic);
      return 0;
    }
    let alias = this.used + 1;
    if (this.used < this.maximum) this.used++;
    else {
      const [oldest, freed] = this.given.entries().next().value!;
      this.given.delete(oldest);
      alias = freed;
    }
    this.given.set(topic, alias);
    return alias;
  }
}
