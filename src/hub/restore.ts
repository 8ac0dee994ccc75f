// What an earlier run stored becomes mailboxes, subscriptions, queues, retained messages and wills again.

import { Reader } from '../bytes/reader.ts';
import { clientKey } from './access.ts';
import type { Box, Progress, StoredPage } from './box.ts';
import type { HubCore } from './hub.ts';
import { type Journal, key, numberOf, readPage } from './journal.ts';
import { OwnBox } from './mailbox.ts';
import { Ranges } from './priority.ts';
import { type Block, type Page, weightOf } from './queue.ts';
import { readMessage, readSubscription } from './records.ts';
import { QueueBox } from './work-queue.ts';

const NO_PROGRESS: Progress = { nextSeq: 1, firstWaiting: 0, open: new Map() };

export function restore(hub: HubCore, journal: Journal): void {
  const now = hub.now();
  const boxes = new Map<number, Box>();
  const groupNumbers = new Map<string, number>();
  for (const [recordKey, bytes] of journal.scan('s')) {
    const number = numberOf(recordKey, 0);
    journal.reserveNumber(number);
    const r = new Reader(bytes);
    const protocol = r.text();
    const name = r.text();
    if (protocol === '') groupNumbers.set(name, number);
    else boxes.set(number, restoreBox(hub, number, protocol, name, r, now));
  }
  for (const [recordKey, bytes] of journal.scan('k')) {
    const number = numberOf(recordKey, 0);
    journal.reserveNumber(number);
    boxes.set(number, hub.queues.restore(number, new Reader(bytes)));
  }
  restoreSubscriptions(hub, journal, boxes, groupNumbers);
  restoreInbound(journal, boxes);
  restoreQueues(journal, boxes);
  restoreRetained(hub, journal, now);
  hub.notes.restore();
  hub.logins.banned.restore();
  hub.queues.restored();
  hub.wills.restore((client) => hub.boxes.get(client)?.keepMs ?? 0, now);
  for (const box of boxes.values()) if (box instanceof OwnBox) hub.watchExpiry(box);
}

function restoreBox(
  hub: HubCore,
  number: number,
  protocol: string,
  name: string,
  r: Reader,
  now: number,
): OwnBox {
  const keepMs = r.f64();
  const goneAt = r.f64();
  const principal = r.text();
  const { queueMessages, queueBytes, overflow } = hub.limits;
  const limits = { capacity: queueMessages, bytes: queueBytes, overflow };
  const box = new OwnBox(protocol, name, keepMs, limits, hub);
  box.number = number;
  box.principal = principal;
  box.goneAt = goneAt > 0 ? goneAt : now; // it was there when the process was lost
  hub.boxes.set(clientKey(protocol, name), box);
  return box;
}

function restoreSubscriptions(
  hub: HubCore,
  journal: Journal,
  boxes: Map<number, Box>,
  groupNumbers: ReadonlyMap<string, number>,
): void {
  for (const [recordKey, bytes] of journal.scan('u')) {
    const record = numberOf(recordKey, 1);
    journal.reserveNumber(record);
    const box = boxes.get(numberOf(recordKey, 0));
    if (box instanceof OwnBox) {
      const s = readSubscription(new Reader(bytes));
      // A group keeps the number that its queue is stored under.
      hub.hold(box, s, record, undefined, groupNumbers.get(s.filter));
    } else if (box instanceof QueueBox) {
      hub.queues.insert(box, readSubscription(new Reader(bytes)).filter, record);
    } else {
      journal.remove(recordKey);
    }
  }
  for (const group of hub.groups.values()) if (group.stored) boxes.set(group.number, group);
  for (const [name, number] of groupNumbers) if (!hub.groups.has(name)) journal.remove(key('s', number));
}

function restoreInbound(journal: Journal, boxes: ReadonlyMap<number, Box>): void {
  for (const [recordKey, bytes] of journal.scan('i')) {
    const box = boxes.get(numberOf(recordKey, 0));
    if (!(box instanceof OwnBox)) {
      journal.remove(recordKey);
      continue;
    }
    const r = new Reader(bytes);
    const ids: number[] = [];
    for (let count = r.varint(); count > 0; count--) ids.push(r.varint());
    box.inbound.restore(ids);
  }
}

function restoreQueues(journal: Journal, boxes: ReadonlyMap<number, Box>): void {
  const pages = new Map<Box, StoredPage[]>();
  const blocks = new Map<number, Block>();
  for (const [recordKey, bytes] of journal.scan('q')) {
    const number = numberOf(recordKey, 1);
    journal.reserveNumber(number);
    const box = boxes.get(numberOf(recordKey, 0));
    if (box === undefined) {
      journal.remove(recordKey);
      continue;
    }
    const stored = restorePage(number, bytes, blocks);
    const known = pages.get(box);
    if (known === undefined) pages.set(box, [stored]);
    else known.push(stored);
  }
  for (const [recordKey] of journal.scan('m')) {
    const number = numberOf(recordKey, 0);
    journal.reserveNumber(number);
    if (!blocks.has(number)) journal.remove(recordKey);
  }
  const progress = restoreProgress(journal, boxes);
  for (const [number, box] of boxes) box.restore(progress.get(number) ?? NO_PROGRESS, pages.get(box) ?? []);
}

function restorePage(number: number, bytes: Uint8Array, blocks: Map<number, Block>): StoredPage {
  const page: Page = { number, items: undefined, bytes: 0, live: 0, kept: true, blocks: [] };
  const seqs: number[] = [];
  let weight = 0;
  readPage(bytes, (entry, inline) => {
    seqs.push(entry.seq);
    if (inline !== undefined) {
      weight += weightOf(inline);
      return;
    }
    let block = blocks.get(entry.block);
    if (block === undefined) {
      block = { number: entry.block, pages: 0 };
      blocks.set(entry.block, block);
    }
    if (!page.blocks.includes(block)) {
      page.blocks.push(block);
      block.pages++;
    }
  });
  return { page, seqs, bytes: weight };
}

function restoreProgress(journal: Journal, boxes: ReadonlyMap<number, Box>): Map<number, Progress> {
  const all = new Map<number, Progress>();
  for (const [recordKey, bytes] of journal.scan('a')) {
    const number = numberOf(recordKey, 0);
    if (!boxes.has(number)) {
      journal.remove(recordKey);
      continue;
    }
    const r = new Reader(bytes);
    const nextSeq = r.varint();
    const firstWaiting = r.varint();
    const open = new Map<number, boolean>();
    let last = 0;
    for (let count = r.varint(); count > 0; count--) {
      const step = r.varint();
      last += Math.floor(step / 2);
      open.set(last, step % 2 === 1);
    }
    all.set(number, { nextSeq, firstWaiting, open, ...(r.ended ? {} : { taken: Ranges.read(r) }) });
  }
  return all;
}

function restoreRetained(hub: HubCore, journal: Journal, now: number): void {
  for (const [recordKey, bytes] of journal.scan('r')) {
    const record = numberOf(recordKey, 0);
    journal.reserveNumber(record);
    const m = readMessage(new Reader(bytes));
    if (m.expiresAt <= now) journal.remove(recordKey);
    else hub.retained.restore(m, record);
  }
}
