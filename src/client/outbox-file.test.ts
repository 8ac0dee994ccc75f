// The outbox in a folder: what is kept over any cut and any damage, foreign files, compaction, a full disk, and one user at a time.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { fuzz } from '../../test/arbitrary/mqtt.ts';
import { ClientWorld } from '../../test/client-world.ts';
import { startBroker } from '../../test/network.ts';
import { Message, NEVER, type Qos } from '../contract/message.ts';
import { WaymeetError } from './error.ts';
import { openOutboxFile } from './outbox-file.ts';
import { KeptOutbox } from './outbox-kept.ts';

const NOBODY = { protocol: '', client: '', principal: '' };
const MAGIC_OCTETS = 8;
const NOTHING = new Uint8Array(0);
const folders: string[] = [];
const mounted: string[] = [];
afterAll(() => {
  for (const folder of mounted) spawnSync('umount', [folder]);
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'waymeet-outbox-'));
  folders.push(folder);
  return folder;
}

function message(text: string, qos: Qos = 2): Message {
  return new Message('t', new TextEncoder().encode(text), qos, false, NOBODY, 1, NEVER, undefined);
}

async function loaded(folder: string) {
  const store = await openOutboxFile(folder);
  const kept = await store.load();
  await store.close();
  return {
    clientId: kept.clientId,
    inbound: kept.inbound,
    messages: kept.messages.map((m) => [m.sequence, Buffer.from(m.message.payload).toString(), m.released]),
  };
}

/** A log with ten messages, some done, some released, and a name. Returns where its last commit begins. */
async function filled(folder: string): Promise<number> {
  const store = await openOutboxFile(folder);
  await store.load();
  store.name('me');
  for (let i = 1; i <= 10; i++) {
    store.put(i, message(`m${i}`));
    await store.commit();
  }
  const { size } = statSync(path.join(folder, 'log'));
  store.released(2);
  store.done(1);
  store.addInbound(77);
  store.addInbound(78);
  store.deleteInbound(77);
  await store.commit();
  await store.close();
  return size;
}

const ALL = Array.from({ length: 9 }, (_, i) => [i + 2, `m${i + 2}`, i === 0]);

test('what was said is there again', async () => {
  const folder = newFolder();
  await filled(folder);
  expect(await loaded(folder)).toEqual({ clientId: 'me', inbound: [78], messages: ALL });
});

test('[law] cut anywhere: what was committed before the cut is there, and the log goes on', async () => {
  const whole = newFolder();
  await filled(whole);
  const log = readFileSync(path.join(whole, 'log'));
  await fc.assert(
    fc.asyncProperty(fc.nat(log.length), fc.uint8Array({ maxLength: 20 }), async (at, torn) => {
      const folder = newFolder();
      writeFileSync(
        path.join(folder, 'log'),
        Buffer.concat([log.subarray(0, at), at < MAGIC_OCTETS ? NOTHING : torn]),
      );
      const { messages } = await loaded(folder);
      const numbers = messages.map(([sequence]) => sequence as number);
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
      const store = await openOutboxFile(folder);
      await store.load();
      store.put(100, message('later'));
      await store.commit();
      await store.close();
      const again = await loaded(folder);
      expect(again.messages).toEqual([...messages, [100, 'later', false]]);
    }),
    fuzz(60),
  );
});

test('[law] bits that flipped: what a later commit stands behind is told, and never a message that was not said', async () => {
  const whole = newFolder();
  const lastCommit = await filled(whole);
  const log = readFileSync(path.join(whole, 'log'));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(log.length * 8 - 1), { minLength: 1, maxLength: 5 }), async (bits) => {
      const folder = newFolder();
      const file = path.join(folder, 'log');
      const damaged = Buffer.from(log);
      for (const bit of bits) damaged[bit >> 3]! ^= 1 << (bit & 7);
      writeFileSync(file, damaged);
      const outcome = await loaded(folder).catch((why: unknown) => why);
      if (outcome instanceof WaymeetError) {
        expect(outcome.code).toBe('storage');
        // It is left as it is, for whoever wants to look; and the folder is free again.
        expect(readFileSync(file).equals(damaged)).toBe(true);
        expect(() => readFileSync(path.join(folder, 'lock'))).toThrow(/ENOENT/);
        return;
      }
      if (!damaged.equals(log))
        expect(bits.every((bit) => bit >> 3 < MAGIC_OCTETS || bit >> 3 >= lastCommit)).toBe(true);
      // Without the last commit, 1 is there yet and 2 not released.
      const texts = (outcome as { messages: unknown[][] }).messages.map(([, text]) => text);
      expect(['m1', ...ALL.map(([, text]) => text)]).toEqual(expect.arrayContaining(texts));
    }),
    fuzz(60),
  );
});

test.each([
  ['a file of somebody else', Buffer.from('Oct 12 host sshd[1]: session opened\n')],
  ['a short one', Buffer.from('way')],
  ['one of a newer version', Buffer.from('waymeet2')],
])('%s is not touched', async (_, content) => {
  const folder = newFolder();
  const file = path.join(folder, 'log');
  writeFileSync(file, content);
  if (content.length === 3) {
    expect((await loaded(folder)).messages).toEqual([]); // the beginning of ours
    return;
  }
  await expect(loaded(folder)).rejects.toMatchObject({
    code: 'storage',
    reason: expect.stringContaining('no outbox'),
  });
  expect(readFileSync(file).equals(content)).toBe(true);
});

test('zeros that a crash of the machine left behind are nothing', async () => {
  for (const before of [0, 5]) {
    const folder = newFolder();
    if (before > 0) await filled(folder);
    const file = path.join(folder, 'log');
    writeFileSync(file, Buffer.alloc(5_000), { flag: 'a' });
    expect((await loaded(folder)).messages).toEqual(before > 0 ? ALL : []);
  }
});

test('the log is compacted when most of it is history, and goes on', async () => {
  const folder = newFolder();
  const store = await openOutboxFile(folder);
  await store.load();
  store.name('me');
  store.addInbound(5);
  const large = 'x'.repeat(50_000);
  for (let i = 1; i <= 60; i++) {
    store.put(i, message(large));
    if (i > 2) store.done(i - 2);
    await store.commit();
  }
  expect(statSync(path.join(folder, 'log')).size).toBeLessThan(1_300_000);
  store.released(60);
  store.put(61, message('after'));
  await store.commit();
  await store.close();
  expect(readdirSync(folder)).toEqual(['log']);
  const kept = await loaded(folder);
  expect([kept.clientId, kept.inbound]).toEqual(['me', [5]]);
  expect(kept.messages.map(([n, text, released]) => [n, (text as string).length, released])).toEqual([
    [59, 50_000, false],
    [60, 50_000, true],
    [61, 5, false],
  ]);
});

test('one program at a time, and what a dead one left is taken over', async () => {
  const folder = newFolder();
  const store = await openOutboxFile(folder);
  await store.load();
  await expect(openOutboxFile(folder)).rejects.toMatchObject({ code: 'storage' });
  await store.close();
  for (const owner of ['4194999', 'nobody', '', '-1']) {
    writeFileSync(path.join(folder, 'lock'), owner);
    expect((await loaded(folder)).messages).toEqual([]);
  }
});

test('bounded: what is over the limit is refused at once, and room comes back', async () => {
  const folder = newFolder();
  const outbox = new KeptOutbox({ maxMessages: 3, maxBytes: 10 }, await openOutboxFile(folder));
  await outbox.load();
  const push = (text: string) =>
    outbox.push(
      message(text, 1),
      () => {},
      () => {},
    );
  const first = push('aaaa');
  push('bbbb');
  expect(() => push('ccc')).toThrow(/wait to be acknowledged/);
  push('cc');
  expect(() => push('')).toThrow(WaymeetError);
  outbox.withdraw(first);
  push('dd');
  expect([outbox.size, outbox.octets]).toEqual([3, 8]);
  await outbox.close(new Error('over'));
  expect((await loaded(folder)).messages.map(([, text]) => text)).toEqual(['bbbb', 'cc', 'dd']);
});

/** A disk of 64 kB; undefined: this machine does not let us. */
function smallDisk(): string | undefined {
  const folder = newFolder();
  const made = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'ignore' });
  if (made.status !== 0) return undefined;
  mounted.push(folder);
  return folder;
}

const disk = smallDisk();
test.skipIf(disk === undefined)(
  `a full disk${disk === undefined ? ' (needs the right to mount)' : ''}: told to who waits, nothing hangs, and what was kept is there`,
  async () => {
    const store = await openOutboxFile(disk!);
    const w = new ClientWorld(await startBroker(), { store: () => store });
    // Virtual time runs far ahead of a real disk.
    const slow = { connectMs: 1e9, keepAliveMs: 0 };
    const client = await w.connect('mqtt://hub', { ...slow, outbox: { at: 'disk' }, clientId: 'full' });
    w.wires[0]!.cut();
    await w.settle();
    const kept: string[] = [];
    let why: unknown;
    for (let i = 0; why === undefined; i++) {
      const text = `${i}`.padEnd(10_000);
      const stored = client.publish('t', text, { qos: 2, until: 'stored' });
      await w.until(
        stored.then(
          () => kept.push(text),
          (error: unknown) => {
            why = error;
          },
        ),
        0,
      );
    }
    expect(why).toMatchObject({ code: 'storage', reason: expect.stringContaining('ENOSPC') });
    expect(kept.length).toBeGreaterThan(2);
    await expect(client.publish('t', 'x', { qos: 1 })).rejects.toMatchObject({ code: 'storage' });
    await w.until(client.close());
    expect((await loaded(disk!)).messages.map(([, text]) => text)).toEqual(kept);
  },
);
