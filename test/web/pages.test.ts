// The dashboard's other pages in a real Chromium: topics, retained, overview, clients, devices, configuration, login; looks and keys.

import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { connectAsync, type MqttClient } from 'mqtt';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Server } from '../../src/server/start.ts';
import { hasChromium, openBrowser, openPage } from './browser.ts';
import { startHub } from './hub.ts';

/** WAYMEET_SHOTS=folder keeps pictures of every page, to be looked at. */
const SHOTS = process.env.WAYMEET_SHOTS;
const PAGES = [
  'test',
  'device',
  'wildcards',
  'topics',
  'retained',
  'overview',
  'clients',
  'queues',
  'lab',
  'choose',
  'trace',
  'config',
];
const PHONE_WIDTH = 390;
const MAX_PAGE_BYTES = 150_000;

test('the page is less than 150 kB as it is sent, before charts', () => {
  const assets = path.join(import.meta.dirname, '../../dist/web/assets');
  const packed = (part: string) =>
    readdirSync(assets)
      .filter((name) => name.startsWith(part))
      .reduce(
        (total, name) => total + gzipSync(readFileSync(path.join(assets, name)), { level: 9 }).length,
        0,
      );
  expect(packed('index-')).toBeGreaterThan(10_000);
  expect(packed('index-')).toBeLessThan(MAX_PAGE_BYTES);
  expect(packed('plot-'), 'charts are a chunk of their own').toBeGreaterThan(10_000);
});

describe.skipIf(!hasChromium)('pages in Chromium', () => {
  let browser: Browser;
  let hub: Server;
  let page: Page;
  let device: MqttClient;
  let complaints: string[];

  beforeAll(async () => {
    browser = await openBrowser();
    if (SHOTS !== undefined) mkdirSync(SHOTS, { recursive: true });
  });
  afterAll(() => browser.close());

  const open = async (settings = {}) => {
    hub = await startHub(settings);
    device = await connectAsync(hub.address('mqtt'), { clientId: 'device-1', protocolVersion: 5 });
    ({ page, complaints } = await openPage(browser, hub.address('web')));
  };
  afterEach(async () => {
    await page.close();
    await device.endAsync();
    await hub.stop();
    expect(complaints).toEqual([]);
  });

  const go = (...words: string[]) =>
    page.goto(`${hub.address('web')}/#/${words.map(encodeURIComponent).join('/')}`);
  const shot = async (name: string) => {
    if (SHOTS !== undefined) await page.screenshot({ path: path.join(SHOTS, `${name}.png`) });
  };

  describe('on a hub that lets everybody in', () => {
    beforeEach(() => open());

    test('topics: the tree grows, a number is drawn, a retained message is forgotten', async () => {
      const properties = { contentType: 'application/json' };
      const topic = 'house/kitchen/climate';
      await device.publishAsync(topic, '{"celsius":21,"door":{"open":0}}', {
        qos: 1,
        retain: true,
        properties,
      });
      await go('topics');
      await page.getByRole('button', { name: 'Open house', exact: true }).click();
      await page
        .getByRole('listbox', { name: 'Topics' })
        .getByRole('option')
        .filter({ hasText: 'kitchen' })
        .click();
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('ArrowDown');
      const card = page.getByRole('region', { name: 'Topic', exact: true });
      await card.getByRole('heading', { name: topic }).waitFor();
      for (const celsius of [22, 24, 23])
        await device.publishAsync(topic, `{"celsius":${celsius},"door":{"open":1}}`, { properties });
      await card.getByText('4 values, 21 to 24').waitFor();
      await card.getByRole('img', { name: 'celsius over time' }).locator('canvas').waitFor();
      await card.getByLabel('Chart').selectOption('door.open');
      await card.getByText('4 values, 0 to 1').waitFor();
      await card.getByRole('button', { name: 'Forget the retained message' }).click();
      await expect.poll(async () => (await fetch(`${hub.address('web')}/topics/${topic}`)).status).toBe(404);
      await shot('topics');
    });

    test('10,000 topics: counted, few drawn, found by search', async () => {
      await go('topics');
      await page.getByText('No topic yet').waitFor();
      for (let i = 0; i < 10_000; i++) device.publish(`many/${i % 100}/${Math.floor(i / 100)}`, String(i));
      await page.getByText('10.1K levels, 10K messages').waitFor();
      await page.getByLabel('Search topics').fill('many/99/9');
      await expect.poll(() => page.getByRole('option').filter({ visible: true }).count()).toBe(11);
      await page.getByLabel('Search topics').fill('many');
      await expect.poll(() => page.getByRole('option').first().getAttribute('aria-setsize')).toBe('10000');
      expect(await page.getByRole('option').count()).toBeLessThan(100);
    });

    test('retained: by page, by search, one whole, all of a filter forgotten', async () => {
      for (let i = 0; i < 60; i++)
        await device.publishAsync(`r/${String(i).padStart(2, '0')}`, `value ${i}`, { qos: 1, retain: true });
      await go('retained');
      await page.getByText('1 to 50 of 60').waitFor();
      await page.getByRole('button', { name: 'Next' }).click();
      await page.getByRole('button', { name: 'r/59' }).click();
      await page.locator('pre.payload').filter({ hasText: 'value 59' }).waitFor();
      await page.getByLabel('Search topics').fill('r/3');
      await page.getByRole('button', { name: 'r/39' }).waitFor();
      await shot('retained');
      await page.getByLabel('Search topics').fill('');
      await page.getByLabel('Filter').fill('r/#');
      const soon = { qos: 1, retain: true, properties: { messageExpiryInterval: 600 } } as const;
      await device.publishAsync('r/soon', 'x', soon);
      await page.getByLabel('Expiry').selectOption('that expire within an hour');
      await page.getByRole('button', { name: 'r/soon' }).waitFor();
      await shot('retained-expiry');
      await page.getByRole('button', { name: 'Forget all 1' }).click();
      await page.getByRole('button', { name: 'Forget 1 for good?' }).click();
      await page.getByText('Nothing is retained here').waitFor();
      await page.getByLabel('Expiry').selectOption('whenever they expire');
      await page.getByRole('button', { name: 'Forget all 60' }).click();
      await page.getByRole('button', { name: 'Forget 60 for good?' }).click();
      await page.getByText('Nothing is retained here').waitFor();
    });

    test('clients: what one subscribed to, what waits for it, what it did; sent away, its queue purged', async () => {
      const session = { clientId: 'sleeper', protocolVersion: 5, clean: false } as const;
      const sleeper = await connectAsync(hub.address('mqtt'), {
        ...session,
        properties: { sessionExpiryInterval: 600 },
      });
      await sleeper.subscribeAsync('q/#', { qos: 1 });
      await sleeper.endAsync();
      await device.publishAsync('q/1', 'x', { qos: 1 });
      await go('clients');
      await page.getByRole('link', { name: 'sleeper' }).click();
      const card = page.getByRole('region', { name: 'Client', exact: true });
      await card.getByRole('heading', { name: 'sleeper' }).waitFor();
      await card.getByRole('listitem').filter({ hasText: 'q/#' }).getByText('QoS 1').waitFor();
      await expect
        .poll(
          async () =>
            (await card.getByRole('listitem').allTextContents()).filter((t) => /connected|left/.test(t))
              .length,
        )
        .toBe(2);
      await shot('clients');
      await card.getByRole('button', { name: 'Purge queue' }).click();
      await card.getByRole('button', { name: 'Discard 1 message?' }).click();
      await card.getByText('0, 0 B').waitFor();
      await card.getByRole('button', { name: 'End session' }).click();
      await card.getByRole('button', { name: 'End it for good?' }).click();
      await expect
        .poll(async () => (await fetch(`${hub.address('web')}/api/v1/sessions/mqtt/sleeper`)).status)
        .toBe(404);
      await page.getByRole('link', { name: 'device-1' }).click();
      const closed = new Promise((done) => device.once('close', () => done(undefined)));
      await card.getByRole('button', { name: 'Disconnect' }).click();
      await closed;
    });

    test('clients: the history with every reason outlives a reload of the page', async () => {
      const restless = { clientId: 'restless', reconnectPeriod: 0 } as const;
      await (await connectAsync(hub.address('mqtt'), restless)).endAsync();
      const first = await connectAsync(hub.address('mqtt'), restless);
      const second = await connectAsync(hub.address('mqtt'), restless);
      await go('clients', 'mqtt', 'restless');
      const card = page.getByRole('region', { name: 'Client', exact: true });
      const closed = new Promise((done) => second.once('close', () => done(undefined)));
      await card.getByRole('button', { name: 'Disconnect' }).click();
      await closed;
      await page.reload();
      const deeds = card.getByRole('region', { name: 'History' }).getByRole('listitem');
      for (const why of [
        'left: an administrator sent it away',
        'left: another connection came with the same client id',
        'left by itself',
      ])
        await deeds.filter({ hasText: why }).waitFor();
      await shot('client-history');
      await Promise.all([first.endAsync(true), second.endAsync(true)]);
    });

    test('queues and sessions: one message that waits is opened, and seen as it should be', async () => {
      const sleeper = await connectAsync(hub.address('mqtt'), {
        clientId: 'sleeper',
        protocolVersion: 5,
        clean: false,
        properties: { sessionExpiryInterval: 600 },
      });
      await sleeper.subscribeAsync('q/#', { qos: 1 });
      await sleeper.endAsync();
      const properties = { contentType: 'application/json' };
      for (let i = 0; i < 25; i++)
        for (const topic of ['$queue/jobs', `q/${i}`])
          await device.publishAsync(topic, `{"number":${i}}`, { qos: 1, properties });
      for (const [words, cardName] of [
        [['queues', 'jobs'], 'Queue'],
        [['clients', 'mqtt', 'sleeper'], 'Client'],
      ] as const) {
        await go(...words);
        const held = page
          .getByRole('region', { name: cardName, exact: true })
          .getByRole('region', { name: 'Messages held' });
        await held.getByText('1 to 20 of 25').waitFor();
        await held.getByRole('button', { name: 'Next' }).click();
        await held.getByText('21 to 25 of 25').waitFor();
        await held.getByRole('button', { name: '{"number":24}' }).click();
        await held.locator('pre.payload').getByText('"number": 24').waitFor();
        await held.getByText('from device-1').waitFor();
        await held.getByRole('radio', { name: 'Hex' }).click();
        await held.locator('pre.payload').getByText('7b 22 6e').waitFor();
        await shot(`held-${cardName}`);
      }
      await page.getByRole('button', { name: 'Purge queue' }).click();
      await page.getByRole('button', { name: 'Discard 25 messages?' }).click();
      await page.getByRole('region', { name: 'Messages held' }).waitFor({ state: 'hidden' });
    });

    test('bans: a client is kept out and let in again, by hand', async () => {
      await go('clients', 'mqtt', 'device-1');
      const card = page.getByRole('region', { name: 'Client', exact: true });
      await card.getByText('Keep out').click();
      await card.getByRole('radio', { name: 'Address' }).click();
      expect(await card.getByLabel('Who').inputValue()).toBe('127.0.0.1');
      await card.getByRole('radio', { name: 'Client id' }).click();
      await card.getByLabel('Why', { exact: true }).fill('it babbles');
      const closed = new Promise((done) => device.once('close', () => done(undefined)));
      await card.getByRole('button', { name: 'Ban', exact: true }).click();
      await card.getByRole('button', { name: 'Ban for sure?' }).click();
      await closed;
      const bans = page.getByRole('region', { name: 'Kept out' });
      await bans.getByRole('row', { name: /device-1 .* it babbles/ }).waitFor();
      await shot('bans');
      await expect(
        connectAsync(hub.address('mqtt'), { clientId: 'device-1', reconnectPeriod: 0 }),
      ).rejects.toThrow();
      await bans.getByRole('button', { name: 'Lift the ban of device-1' }).click();
      await bans.getByText('Nobody is banned').waitFor();
      const again = await connectAsync(hub.address('mqtt'), { clientId: 'elsewhere', reconnectPeriod: 0 });
      await bans.getByText('Keep somebody out').click();
      await bans.getByLabel('Who').fill('elsewhere');
      const left = new Promise((done) => again.once('close', () => done(undefined)));
      await bans.getByRole('button', { name: 'Send away', exact: true }).click();
      await bans.getByRole('button', { name: 'Send all of them away?' }).click();
      await left;
      await bans.getByText('1 sent away').waitFor();
    });

    test('queues: what waits, for whom; purged and ended', async () => {
      for (let i = 0; i < 3; i++) await device.publishAsync('$queue/jobs', `job ${i}`, { qos: 1 });
      await go('queues');
      await page.getByRole('row', { name: /^jobs 3 .* nobody$/ }).waitFor();
      await page.getByRole('link', { name: 'jobs' }).click();
      const card = page.getByRole('region', { name: 'Queue', exact: true });
      await card.getByText('durable', { exact: true }).waitFor();
      await card.getByRole('button', { name: 'Purge' }).click();
      await card.getByRole('button', { name: 'Discard 3 messages?' }).click();
      await page.getByText('No work queue').waitFor(); // nobody declared it: it is empty and alone
      await device.publishAsync('$queue/more', 'x', { qos: 1 });
      await page.getByRole('link', { name: 'more' }).click();
      await card.getByRole('button', { name: 'End queue' }).click();
      await card.getByRole('button', { name: 'End it for good?' }).click();
      await page.getByText('No work queue').waitFor();
    });

    test('overview: figures and what happens', async () => {
      await go('overview');
      await page.getByRole('heading', { name: 'Event loop lag' }).waitFor();
      await page.getByRole('cell', { name: 'mqtt', exact: true }).waitFor();
      await page.getByRole('img', { name: 'Messages a second' }).locator('canvas').waitFor();
      await page
        .getByRole('listitem')
        .filter({ hasText: 'device-1' })
        .filter({ hasText: 'connected' })
        .waitFor();
      await shot('overview');
    });

    test('configuration: where each value came from', async () => {
      await go('config');
      await page.getByLabel('Search settings').fill('durability');
      const row = page.getByRole('listitem').filter({ hasText: 'store.durability' });
      await row.locator('.setting-value').getByText('memory').waitFor();
      expect(await row.locator('.badge').textContent()).not.toBe('default');
      await page.getByLabel('Only what somebody said').check();
      expect(await page.getByRole('listitem').count()).toBe(1);
    });

    test('connect a device: lines for each protocol that is listened to, and a check that a message came', async () => {
      await go('device');
      await page.getByText('Waiting for a message on demo/device').waitFor();
      const { port } = new URL(hub.address('mqtt'));
      await page.getByText(`mosquitto_pub -h 127.0.0.1 -p ${port} -q 1 -t demo/device -m hello`).waitFor();
      await device.publishAsync('demo/device', 'it lives');
      await page.getByText('It works. it lives').waitFor();
      await shot('device');
      await page.getByRole('button', { name: 'MQTT, TLS' }).click();
      await page.getByText('tls: { cert: ./cert.pem, key: ./key.pem }').waitFor();
      for (const name of ['MQTT, WebSocket', 'CoAP', 'HTTP', 'WebSocket, JSON']) {
        await page.getByRole('button', { name, exact: true }).click();
        await page.getByRole('radiogroup', { name: 'Tool' }).waitFor();
      }
    });

    test('trace: what one client says, field by field, saved to a file', async () => {
      await go('clients', 'mqtt', 'device-1');
      await page.getByRole('link', { name: 'Trace', exact: true }).last().click();
      await page.getByText('Waiting for the first packet').waitFor();
      const packets = page.getByRole('listbox', { name: 'Packets' }).getByRole('option');
      await expect
        .poll(async () => {
          await device.publishAsync('demo/traced', 'seen', { qos: 1 });
          return packets.filter({ hasText: 'demo/traced' }).count();
        })
        .toBeGreaterThan(0);
      await packets.filter({ hasText: 'PUBLISH' }).first().click();
      const packet = page.getByRole('region', { name: 'Packet', exact: true });
      await packet.getByRole('row', { name: 'Topic name demo/traced 11' }).waitFor();
      expect(await packet.getByRole('rowheader', { name: 'The rest' }).count()).toBe(0);
      await page.getByRole('button', { name: 'Stop' }).click();
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: 'NDJSON' }).click();
      expect((await download).suggestedFilename()).toBe('waymeet-trace.ndjson');
      await shot('trace');
    });

    test('wildcards: which match, and why', async () => {
      await go('wildcards');
      await page.getByText("'#' takes 'kitchen/temperature'").waitFor();
      await page.getByLabel('Filters').fill('a/#/b');
      await page.getByText("'#' must be a whole level").waitFor();
    });

    test('keys alone: to a page, to its search, to the help and back', async () => {
      await page.keyboard.press('g');
      await page.keyboard.press('c');
      await page.getByRole('heading', { name: 'Clients', exact: true }).waitFor();
      await page.keyboard.press('/');
      await page.keyboard.type('gone');
      expect(await page.getByLabel('Search clients').inputValue()).toBe('gone');
      await page.keyboard.press('Tab'); // out of the field
      await page.getByLabel('Protocol').blur();
      await page.keyboard.press('?');
      await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('dialog', { name: 'Keyboard' }).waitFor({ state: 'hidden' });
    });

    test('every page in light, dark and at the width of a phone, without a scroll to the side', async () => {
      await device.publishAsync(`long/${'x'.repeat(80)}`, 'y'.repeat(300), { qos: 1, retain: true });
      await page.getByRole('button', { name: 'Show me' }).click();
      await expect.poll(() => page.getByText('connected', { exact: true }).count()).toBe(3);
      const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
      const light = await background();
      await page.emulateMedia({ colorScheme: 'dark' });
      await expect.poll(background).not.toBe(light);
      for (const name of PAGES) {
        await go(name);
        await shot(`dark-${name}`);
      }
      await page.getByRole('button', { name: 'Theme: auto' }).click();
      await expect.poll(background).toBe(light);
      await page.setViewportSize({ width: PHONE_WIDTH, height: 844 });
      for (const name of PAGES) {
        await go(name);
        await page.getByRole('main').locator('> *').first().waitFor();
        await shot(`phone-${name}`);
        const wide = await page.evaluate(
          'Math.max(document.documentElement.scrollWidth, document.querySelector("main").scrollWidth)',
        );
        expect(wide, `${name} at the width of a phone`).toBeLessThanOrEqual(PHONE_WIDTH);
      }
      await page.getByRole('button', { name: 'Menu', exact: true }).click();
      await page.getByRole('link', { name: 'Overview' }).click();
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
    });
  });

  test('a hub that asks who looks: refused with a sentence, let in, a viewer changes nothing, and out again', async () => {
    await open({ web: { adminPassword: 'correct horse', viewerPassword: 'only looking' } });
    await go('overview');
    const form = page.getByRole('form', { name: 'Log in' });
    await form.getByLabel('Password').fill('wrong');
    await form.getByRole('button', { name: 'Log in' }).click();
    await form.getByRole('alert').waitFor();
    await shot('login');
    await form.getByLabel('User').fill('viewer');
    await form.getByLabel('Password').fill('only looking');
    await form.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('heading', { name: 'Event loop lag' }).waitFor();
    await go('clients', 'mqtt', 'device-1');
    await page.getByText('Nobody is banned').waitFor();
    await page.getByText('Logged in as viewer, who looks and changes nothing.').waitFor();
    const onlyAdmin = /^(?:Disconnect|Purge.*|End .*|Forget.*|Ban|Lift.*|Send away|Keep (?:somebody )?out)$/;
    const offered = () =>
      page.getByRole('main').locator('button, summary').filter({ hasText: onlyAdmin }).count();
    await device.publishAsync('kept/1', 'x', { qos: 1, retain: true });
    await device.publishAsync('$queue/jobs', 'x', { qos: 1 });
    expect(await offered(), 'a client').toBe(0);
    await go('queues', 'jobs');
    await page.getByRole('region', { name: 'Messages held' }).waitFor();
    expect(await offered(), 'a queue').toBe(0);
    await go('retained');
    await page.getByRole('button', { name: 'kept/1' }).click();
    await page.locator('pre.payload').waitFor();
    expect(await offered(), 'a retained message').toBe(0);
    await shot('viewer');
    await go('clients', 'mqtt', 'device-1');
    await page.getByRole('button', { name: 'Log out' }).click();
    await form.getByLabel('Password').fill('correct horse');
    await form.getByRole('button', { name: 'Log in' }).click();
    const closed = new Promise((done) => device.once('close', () => done(undefined)));
    await page.getByRole('button', { name: 'Disconnect' }).click();
    expect(await offered(), 'what the same words find for an admin').toBeGreaterThan(1);
    await closed;
  });
});
