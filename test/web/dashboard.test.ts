// The dashboard in a real Chromium: connect, subscribe, messages from MQTT and CoAP, 5,000 of them, and a hub that restarts.

import { createSocket } from 'node:dgram';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Server } from '../../src/server/start.ts';
import { octets } from '../hex.ts';
import { hasChromium, openBrowser } from './browser.ts';
import { startHub } from './hub.ts';

/** WAYMEET_SHOTS=folder keeps pictures of every page, to be looked at. */
const SHOTS = process.env.WAYMEET_SHOTS;

describe.skipIf(!hasChromium)('dashboard in Chromium', () => {
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

  beforeEach(async () => {
    hub = await startHub();
    device = await connectAsync(hub.address('mqtt'), { clientId: 'device-1' });
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    complaints = [];
    page.setDefaultTimeout(8_000);
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (m) => {
      if (m.type() === 'error' && /Content Security Policy/.test(m.text())) complaints.push(m.text());
    });
    await page.goto(hub.address('web'));
  });
  afterEach(async () => {
    await page.close();
    await device.endAsync();
    await hub.stop();
    expect(complaints).toEqual([]);
  });

  const shot = async (name: string) => {
    if (SHOTS !== undefined) await page.screenshot({ path: path.join(SHOTS, `${name}.png`) });
  };
  const connect = async (protocol: string) => {
    const add = page.getByRole('button', { name: 'Add a connection' });
    if (await add.isVisible()) await add.click();
    const form = page.getByRole('form', { name: 'New connection' });
    await form.getByLabel('Protocol').selectOption({ label: protocol });
    await form.getByRole('button', { name: 'Connect' }).click();
    await page.getByText('connected', { exact: true }).last().waitFor();
  };
  const subscribe = async (filter: string, number = 0) => {
    const card = page.getByRole('region', { name: /^Connection/ }).nth(number);
    await card.getByLabel('Topic filter').fill(filter);
    await card.getByRole('button', { name: 'Subscribe', exact: true }).click();
    await card
      .getByRole('listitem')
      .getByText(/^QoS [012]$/)
      .last()
      .waitFor();
  };
  const lines = () => page.getByRole('listbox', { name: 'Messages' }).getByRole('option');
  const line = (text: string) => lines().filter({ hasText: text });

  const PROTOCOLS = ['MQTT 5', 'MQTT 3.1.1', 'waymeet.v1 (JSON)', 'HTTP + SSE'];
  test.each(PROTOCOLS)(
    '%s: subscribes by wildcard, hears a device, publishes and hears itself',
    async (protocol) => {
      await connect(protocol);
      await subscribe('demo/#');
      await device.publishAsync('demo/from-device', '{"t":21.5}', { qos: 1 });
      await line('demo/from-device').waitFor();
      await page.getByRole('form', { name: 'Publish' }).getByRole('button', { name: 'Publish' }).click();
      await expect.poll(() => line('demo/hello').count()).toBe(2);
      await line('demo/from-device').click();
      await page.getByLabel('View').selectOption('json');
      await page.locator('pre.payload').filter({ hasText: '"t": 21.5' }).waitFor();
      await page.getByText('Packet anatomy').click();
      if (protocol.startsWith('MQTT')) await page.getByRole('cell', { name: 'demo/from-device' }).waitFor();
      await shot(`test-client-${protocol.replace(/\W+/g, '-').toLowerCase()}`);
    },
  );

  test('a hub that restarts is found again, with the subscriptions and the messages of before', async () => {
    await connect('MQTT 5');
    await subscribe('demo/#');
    await device.publishAsync('demo/before', '1', { qos: 1 });
    await line('demo/before').waitFor();
    const { port } = new URL(hub.address('web'));
    await device.endAsync();
    await hub.stop();
    await page.getByText('lost, trying again').waitFor();
    hub = await startHub({
      listeners: [
        { name: 'mqtt', type: 'tcp', port: 0 },
        { name: 'web', type: 'ws', port: Number(port) },
      ],
    });
    await page.getByText('connected', { exact: true }).waitFor();
    device = await connectAsync(hub.address('mqtt'));
    await expect
      .poll(async () => {
        await device.publishAsync('demo/after', '2', { qos: 1 });
        return line('demo/after').count();
      })
      .toBeGreaterThan(0);
    expect(await line('demo/before').count()).toBe(1);
  });

  test('5,000 messages: all counted, few drawn, found by search', async () => {
    await connect('MQTT 5');
    await subscribe('many/#');
    for (let i = 0; i < 5_000; i++) device.publish(`many/${i % 500}`, `value ${i}`);
    await page.getByText('5000 of 5000 messages').waitFor();
    expect(await lines().count()).toBeLessThan(100);
    await page.getByLabel('Search messages').fill('value 4999');
    await page.getByText('1 of 5000 messages').waitFor();
    await page.goto(`${hub.address('web')}/#/topics`);
    await shot('topics-many');
  });

  test('what CoAP and HTTP publish is seen in the page', async () => {
    await connect('MQTT 5');
    await subscribe('demo/#');
    const socket = createSocket('udp4');
    const { hostname, port } = new URL(hub.address('coap'));
    // NON PUT /t/demo/coap  0x50 | code | message id | Uri-Path ×3 | 0xff | payload
    socket.send(octets("50 03 00 01 b1 't' 04 'demo' 04 'coap' ff 'from CoAP'"), Number(port), hostname);
    await line('demo/coap').filter({ hasText: 'from CoAP' }).waitFor();
    socket.close();
    await fetch(`${hub.address('web')}/topics/demo/http`, { method: 'POST', body: 'from HTTP' });
    await line('demo/http').filter({ hasText: 'from HTTP' }).waitFor();
  });

  test('a client id that is taken: said, and not tried again against the other', async () => {
    await connect('MQTT 5');
    const clientId = await page.locator('.connection .id').first().textContent();
    const other = await connectAsync(hub.address('mqtt'), { clientId: clientId!.trim().split(' ')[0]! });
    await page.getByText(/the hub said goodbye: /).waitFor();
    await page.getByText('not connected', { exact: true }).waitFor();
    await other.endAsync();
  });

  test('a hub that is not there is explained, and tried again', async () => {
    await hub.stop();
    await page.getByRole('button', { name: 'Connect' }).click();
    await page.getByText('lost, trying again').waitFor();
    await page.getByText('hub not reachable, trying again').waitFor();
    hub = await startHub();
  });

  test('topics, overview, clients, devices, wildcards: each says what is so; light, dark and phone', async () => {
    await device.publishAsync('house/kitchen/temperature', '{"celsius":21}', { qos: 1, retain: true });
    await page.getByRole('link', { name: 'Topics' }).click();
    await page.getByRole('button', { name: 'Open house', exact: true }).click();
    await page.getByRole('button', { name: 'Open house/kitchen' }).click();
    await page.getByRole('button', { name: 'temperature', exact: true }).click();
    for (const celsius of [22, 24, 23])
      await device.publishAsync('house/kitchen/temperature', `{"celsius":${celsius}}`);
    await page.getByLabel('Chart').selectOption('celsius');
    await page.getByText(/values, 21 to 24, now 23/).waitFor();
    await shot('topics');
    await page.getByRole('link', { name: 'Overview' }).click();
    await page.getByRole('heading', { name: 'Event loop lag' }).waitFor();
    await page.getByRole('cell', { name: 'mqtt', exact: true }).waitFor();
    await shot('overview');
    await page.getByRole('link', { name: 'Clients' }).click();
    await page.getByRole('button', { name: 'device-1' }).click();
    await page.getByRole('heading', { name: 'device-1' }).waitFor();
    await shot('clients');
    await page.getByRole('link', { name: 'Connect a device' }).click();
    await device.publishAsync('demo/device', 'it works');
    await page.getByText(/✓ .*it works/).waitFor();
    await shot('device');
    await page.getByRole('link', { name: 'Wildcards' }).click();
    await page.getByText("'#' takes 'kitchen/temperature'").waitFor();
    await page.emulateMedia({ colorScheme: 'dark' });
    await shot('wildcards-dark');
    await page.getByRole('link', { name: 'Overview' }).click();
    await shot('overview-dark');
    await page.setViewportSize({ width: 390, height: 844 });
    for (const name of ['Test client', 'Topics', 'Overview', 'Clients', 'Connect a device', 'Wildcards']) {
      await page.getByRole('link', { name, exact: true }).click();
      await shot(`phone-${name.toLowerCase().replaceAll(' ', '-')}`);
      const wide = await page.evaluate('document.documentElement.scrollWidth');
      expect(wide, `${name} at the width of a phone`).toBeLessThanOrEqual(390);
    }
  });
});
