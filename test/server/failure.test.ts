// The store fails: said once, nothing acknowledged afterwards, and the server can still be stopped.

import { expect, test } from 'vitest';
import { openAuth } from '../../src/auth/open.ts';
import { Message, NEVER } from '../../src/contract/message.ts';
import type { Store } from '../../src/contract/store.ts';
import { hubLimits, makeHub } from '../../src/server/hub.ts';
import { LocalClient } from '../../src/server/local.ts';
import { createLog } from '../../src/server/log.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { configOf } from './running.ts';

/** An engine whose disk is full from the nth commit on. */
function failing(from: number): Store & { commitsAsked: number } {
  const memory = new MemoryStore();
  return Object.assign(Object.create(memory) as Store, {
    commitsAsked: 0,
    commit(this: { commitsAsked: number }) {
      this.commitsAsked++;
      return this.commitsAsked >= from ? Promise.reject(new Error('the disk is full')) : memory.commit();
    },
  });
}

test('what waits for the failed commit is never acknowledged, and neither is what comes later', async () => {
  const store = failing(2);
  const told: string[] = [];
  const log = createLog({ level: 'silent', format: 'json' }, process.stderr);
  const { hub } = makeHub(hubLimits(configOf({})), openAuth(), store, log, (why) => told.push(why.message));
  await hub.start();
  const client = new LocalClient(hub, 'client');
  const origin = { protocol: 'hub', client: 'client', principal: 'hub' };
  const publish = (text: string) =>
    client.publish(
      new Message('a', new TextEncoder().encode(text), 1, true, origin, hub.now(), NEVER, undefined),
    );

  expect(await publish('kept')).toBe('unmatched');
  const answered: string[] = [];
  publish('lost').then((outcome) => answered.push(`lost ${outcome}`));
  hub.turn();
  await new Promise(setImmediate);
  expect(told).toEqual(['the disk is full']);
  publish('late').then((outcome) => answered.push(`late ${outcome}`));
  for (let i = 0; i < 5; i++) {
    hub.turn();
    await new Promise(setImmediate);
  }
  expect(answered).toEqual([]);
  expect(told).toHaveLength(1);
  expect(store.commitsAsked, 'nothing is committed on top of what failed').toBe(2);
  await hub.stop();
  expect(answered).toEqual(['lost shutting-down', 'late shutting-down']);
});
