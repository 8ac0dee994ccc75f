// A pipeline: jobs put into a queue, each taken by one of the workers, tried again when it fails, and set aside after so many tries.

/*
 *   push ──▶ [ queue ] ──┬──▶ worker 1 ──▶ done
 *               ▲        └──▶ worker 2 ──▶ fails ──┐
 *               └───────── another try ◀───────────┤
 *                          dead letters ◀──────────┘ after the last one
 */

import type { Qos, UserProperty } from '../../contract/message.ts';
import type { Client, PublishOptions } from '../client.ts';
import { WaymeetError } from '../error.ts';
import type { IncomingMessage, Payload } from '../message.ts';
import type { SubscribeOptions } from '../subscription.ts';
import { levelOf } from './level.ts';
import { userProperty } from './words.ts';

/** How often a job was tried in vain, in its user properties; a dead letter says also from which queue and why. */
const TRIES = 'x-tries';
const DEAD_QUEUE = 'x-first-death-queue';
const DEAD_REASON = 'x-first-death-reason';
const DEAD_ERROR = 'x-error';

export interface WorkOptions extends Pick<SubscribeOptions, 'signal'> {
  /** Jobs in hand at a time. Default: 1. */
  readonly atOnce?: number;
  /** A job that failed so often is dead. Default: 3. */
  readonly tries?: number;
  /** Where dead jobs are published. Default: `dead/{queue}`, retained nowhere: subscribe to it, or bind a queue to it. */
  readonly deadLetters?: string;
}

/** Done with when it resolves; what it throws or rejects with is a try in vain. */
export type Worker = (job: IncomingMessage, tries: number) => unknown;

export interface Working {
  /** Jobs done, tried in vain, and given up. */
  readonly done: number;
  readonly failed: number;
  readonly dead: number;
  /** Takes no more jobs; resolves when those in hand are over. Rejects when the client failed. */
  stop(): Promise<void>;
  /** As `stop`, without asking for it. */
  readonly over: Promise<void>;
}

/** A queue of the hub where there are queues, else a topic that the workers share. */
function placesOf(client: Client, queue: string): { into: string; outOf: string } {
  const { ability, protocol, server } = client;
  if (ability.queues) return { into: `$queue/${queue}`, outOf: `$queue/${queue}` };
  const topic = `pipeline/${queue}`;
  if (ability.shared) return { into: topic, outOf: `$share/${levelOf(queue)}/${topic}` };
  throw new WaymeetError(
    'not-supported',
    protocol,
    `${server || protocol} has neither queues nor shared subscriptions`,
  );
}

/** Puts a job into a queue. */
export function push(
  client: Client,
  queue: string,
  payload: Payload,
  options: PublishOptions = {},
): Promise<'ok' | 'unmatched'> {
  const qos = options.qos ?? surely(client);
  return client.publish(placesOf(client, queue).into, payload, { ...options, qos });
}

/** At least once, where the protocol can. */
function surely(client: Client): Qos {
  return client.ability.publishQos.includes(1) ? 1 : 0;
}

/**
 * Works on a queue until it is stopped. A job whose worker died with its program goes to another one; one that failed is put back with its
 * tries counted, which needs user properties: a protocol without them rejects with 'not-supported' unless `tries` is 1.
 */
export async function work(
  client: Client,
  queue: string,
  worker: Worker,
  options: WorkOptions = {},
): Promise<Working> {
  const { ability, protocol } = client;
  if ((options.tries ?? 3) > 1 && !ability.meta.includes('user'))
    throw new WaymeetError(
      'not-supported',
      protocol,
      `${protocol} has no user properties to count tries in`,
      {
        fix: 'work with tries: 1, or use a protocol that has them',
      },
    );
  const shop = new Workshop(client, queue, worker, options);
  await shop.open();
  return shop;
}

class Workshop implements Working {
  done = 0;
  failed = 0;
  dead = 0;
  over: Promise<void> = Promise.resolve();
  private readonly client: Client;
  private readonly queue: string;
  private readonly worker: Worker;
  private readonly options: WorkOptions;
  private close: () => Promise<void> = () => Promise.resolve();

  constructor(client: Client, queue: string, worker: Worker, options: WorkOptions) {
    this.client = client;
    this.queue = queue;
    this.worker = worker;
    this.options = options;
  }

  async open(): Promise<void> {
    const { client, options } = this;
    const { signal, atOnce = 1 } = options;
    const { outOf } = placesOf(client, this.queue);
    const qos = client.ability.subscribeQos.includes(1) ? 1 : 0;
    const jobs = await client.subscribe(outOf, {
      qos,
      acknowledge: 'explicit',
      ...(signal ? { signal } : {}),
    });
    this.close = () => jobs.close();
    const bench = Array.from({ length: atOnce }, async () => {
      // By hand: leaving one loop must not end the subscription for the others.
      for (let job = await jobs.next(); job !== undefined; job = await jobs.next()) await this.take(job);
    });
    this.over = Promise.all(bench).then(() => {});
    // Who does not wait for it learns of it when he uses the client.
    this.over.catch(() => {});
  }

  async stop(): Promise<void> {
    await this.close();
    await this.over;
  }

  private async take(job: IncomingMessage): Promise<void> {
    const tries = Number(job.property(TRIES) ?? 0) || 0;
    try {
      await this.worker(job, tries);
      job.acknowledge();
      this.done++;
    } catch (why) {
      this.failed++;
      // First the copy, then the answer: a crash in between makes two of it, never none.
      await this.setAside(job, tries + 1, why instanceof Error ? why.message : String(why));
      job.acknowledge();
    }
  }

  private async setAside(job: IncomingMessage, tries: number, reason: string): Promise<void> {
    const { tries: most = 3, deadLetters = `dead/${this.queue}` } = this.options;
    const dead = tries >= most;
    if (dead) this.dead++;
    const user: UserProperty[] = (job.meta.user ?? []).filter(({ name }) => name !== TRIES);
    user.push(userProperty(TRIES, String(tries)));
    if (dead) {
      user.push(userProperty(DEAD_QUEUE, this.queue), userProperty(DEAD_REASON, 'delivery-limit'));
      user.push(userProperty(DEAD_ERROR, reason));
    }
    const { meta } = this.client.ability;
    const qos = surely(this.client);
    const topic = dead ? deadLetters : placesOf(this.client, this.queue).into;
    const properties = meta.includes('user') ? { ...job.meta, user } : job.meta;
    await this.client.publish(topic, job.payload, { ...properties, qos });
  }
}
