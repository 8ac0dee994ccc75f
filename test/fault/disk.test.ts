// The real process when its disk fails it, and when it is asked to stop: it says so, acknowledges no more, and keeps what it did.

import { spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as later } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { SessionClient, within } from './client.ts';
import { Ledger } from './ledger.ts';
import { type Server, useServers } from './server.ts';

const { folder, launch } = useServers();
const DURABILITIES = ['full', 'relaxed'] as const;
const PAYLOAD_BYTES = 8_000;
/** More than any of these disks holds. */
const MESSAGES = 4_000;

interface Story {
  readonly ledger: Ledger;
  readonly publishers: readonly SessionClient[];
  readonly reader: SessionClient;
  /** Sends `messages`, a few at a time, as they are acknowledged. */
  fill(messages: number): void;
}

/** A subscriber that is away, and publishers that fill its queue. */
async function begin(port: number): Promise<Story> {
  const ledger = new Ledger();
  const complain = (what: string) => ledger.complaints.push(what);
  const received = ledger.account('reader', (topic) => topic.startsWith('load/'));
  const reader = new SessionClient('reader', { level: 5 }, { received, acknowledged: () => {}, complain });
  let left = 0;
  const publishers: SessionClient[] = [];
  const go = (): void => {
    for (const [i, client] of publishers.entries()) {
      while (left > 0 && client.online && client.pending < 4) {
        left--;
        const qos = i === 0 ? 1 : 2;
        const tag = ledger.send(client.name, `load/${qos}`, qos);
        client.publish(`load/${qos}`, tag.padEnd(PAYLOAD_BYTES), qos, tag);
      }
    }
  };
  const acknowledged = (tag: string): void => {
    ledger.acknowledged(tag);
    go();
  };
  publishers.push(new SessionClient('p1', { level: 5 }, { received: () => {}, acknowledged, complain }));
  publishers.push(new SessionClient('p2', { level: 4 }, { received: () => {}, acknowledged, complain }));
  for (const client of [reader, ...publishers]) await client.connect(port);
  expect(await reader.subscribe('load/#', 2)).toEqual([2]);
  await reader.cut();
  return {
    ledger,
    publishers,
    reader,
    fill(messages) {
      left = messages;
      go();
    },
  };
}

/** Everybody comes back to a broker that has room again; nothing that was acknowledged may be missing. */
async function finish(story: Story, server: Server): Promise<void> {
  const { ledger, publishers, reader } = story;
  story.fill(0);
  const port = await server.ready;
  for (const client of [reader, ...publishers])
    expect((await client.connect(port)).sessionPresent).toBe(true);
  for (let turn = 0; turn < 400; turn++) {
    if (ledger.missing === 0 && publishers.every((client) => client.pending === 0)) break;
    await later(25);
  }
  expect(ledger.broken()).toEqual([]);
  expect(publishers.map((client) => client.pending)).toEqual([0, 0]);
  expect(ledger.acknowledgedCount).toBeGreaterThan(20);
}

/** The process gave up by itself, and said why. */
async function gaveUp(server: Server, story: Story, why: RegExp): Promise<void> {
  const ended = await within(20_000, server.ended);
  expect(ended, 'it goes on without its store').toEqual({ code: 1, signal: null });
  const fatal = server.log.filter(({ level }) => level === 'fatal').map(({ msg }) => msg);
  expect(fatal).toHaveLength(1);
  expect(fatal[0]).toMatch(why);
  expect(fatal[0]).toContain('nothing more is acknowledged');
  expect(fatal[0], 'it says where').toContain(path.join(folder(), 'disk'));
  await Promise.all(story.publishers.map((client) => client.gone));
}

describe.each(DURABILITIES)('durability %s', (durability) => {
  test('a full disk: it says what, where and the fix, exits 1, and with room again nothing acknowledged is missing', async ({
    skip,
  }) => {
    const disk = path.join(folder(), 'disk');
    await mkdir(disk);
    skip(!mount(disk, '4m'), 'this process may not mount a small file system');
    try {
      const options = { store: path.join(disk, 'store'), durability };
      const server = launch(options);
      const story = await begin(await server.ready);
      story.fill(MESSAGES);
      await gaveUp(server, story, /the disk is full \(\d+ octets free\); make room there/);
      expect(mount(disk, '64m,remount')).toBe(true);
      const again = launch(options);
      await finish(story, again);
      expect(await again.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    } finally {
      spawnSync('umount', ['-l', disk]);
    }
  }, 60_000);

  test('a disk that takes no more writes: the same', async () => {
    const options = { store: path.join(folder(), 'disk'), durability };
    const server = launch({ ...options, narrow: 'ulimit -f 4096' });
    const story = await begin(await server.ready);
    story.fill(MESSAGES);
    await gaveUp(server, story, /could not keep \d+ entries .* check that disk/);
    await finish(story, launch(options));
  }, 60_000);

  test('SIGTERM: DISCONNECT 0x8B in 5, exit 0, nothing complained about, and everything kept', async () => {
    const options = { durability };
    const server = launch(options);
    const story = await begin(await server.ready);
    story.fill(300);
    await later(150);
    expect(await server.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    await Promise.all(story.publishers.map((client) => client.gone));
    expect(story.publishers.map((client) => client.goodbye)).toEqual([0x8b, undefined]);
    expect(server.complaints).toEqual([]);
    await finish(story, launch(options));
  }, 60_000);
});

test('a second start on a store in use: refused with the reason, and the first goes on', async () => {
  const first = launch();
  const port = await first.ready;
  const second = launch();
  await expect(second.ready).rejects.toThrow(/another Waymeet .* stop it first/);
  expect((await second.ended).code).toBe(1);
  const client = new SessionClient('c', { level: 5 });
  expect((await client.connect(port)).code).toBe(0);
}, 60_000);

function mount(at: string, size: string): boolean {
  const done = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', at], { stdio: 'ignore' });
  return done.status === 0;
}
