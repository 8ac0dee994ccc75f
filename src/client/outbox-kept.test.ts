// The outbox that outlives the program, on its store.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Message, NEVER } from '../contract/message.ts';
import { NOBODY } from './outbox.ts';
import { openOutboxFile } from './outbox-file.ts';
import { KeptOutbox } from './outbox-kept.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'waymeet-outbox-'));
afterAll(() => rmSync(folder, { recursive: true }));

const LIMITS = { maxMessages: 10, maxBytes: 1_000 };
const origin = { protocol: '', client: '', principal: '' };
const message = (payload: string) =>
  new Message('a', new TextEncoder().encode(payload), 2, false, origin, 0, NEVER, undefined);

test('what was said is there for the next program: messages, releases, arrivals, the name', async () => {
  const at = path.join(folder, 'kept');
  const outbox = new KeptOutbox(LIMITS, await openOutboxFile(at));
  expect(await outbox.load()).toBeUndefined();
  outbox.name('me');
  const first = outbox.push(message('one'), NOBODY, NOBODY);
  expect(outbox.peek()).toBeUndefined(); // not before it is kept
  await new Promise<void>((resolve) => outbox.kept(resolve));
  expect(outbox.peek()).toBe(first);
  const tag = outbox.take(first)!;
  outbox.released(tag.tag);
  outbox.inbound.add(7);
  outbox.push(message('two'), NOBODY, NOBODY);
  await outbox.close(new Error('over'));

  const next = new KeptOutbox(LIMITS, await openOutboxFile(at));
  expect(await next.load()).toBe('me');
  expect([next.size, next.octets, next.inbound.has(7)]).toEqual([2, 6, true]);
  expect(next.take(next.peek()!)).toEqual({ tag: tag.tag, stage: 'released' });
  await next.close(new Error('over'));
});

test('a session that the other side has forgotten: no id of an arrival means anything any more', async () => {
  const at = path.join(folder, 'forgotten');
  const outbox = new KeptOutbox(LIMITS, await openOutboxFile(at));
  await outbox.load();
  outbox.inbound.add(7);
  outbox.forgotten();
  expect(outbox.inbound.has(7)).toBe(false);
  await outbox.close(new Error('over'));
  const next = new KeptOutbox(LIMITS, await openOutboxFile(at));
  await next.load();
  expect(next.inbound.has(7)).toBe(false);
  await next.close(new Error('over'));
});
