// What the dashboard says when it does not go well, in a real Chromium: wrong credentials, rules, certificates that are not trusted.

import { createHash, createPublicKey } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connectAsync } from 'mqtt';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { addUser } from '../../src/auth/users.ts';
import type { Server } from '../../src/server/start.ts';
import { judgedBy } from '../judges/tool.ts';
import { Authority, type Issued } from '../transport/certificates.ts';
import { hasChromium, openBrowser, openPage } from './browser.ts';
import { startHub } from './hub.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'waymeet-failures-'));
afterAll(() => rmSync(folder, { recursive: true }));

const connect = async (page: Page, protocol: string, user: string, password: string) => {
  const add = page.getByRole('button', { name: 'Add a connection' });
  if (await add.isVisible()) await add.click();
  const form = page.getByRole('form', { name: 'New connection' });
  await form.getByLabel('Protocol').selectOption({ label: protocol });
  await form.getByText('Login', { exact: true }).click();
  await form.getByLabel('User', { exact: true }).fill(user);
  await form.getByLabel('Password or token').fill(password);
  await form.getByRole('button', { name: 'Connect' }).click();
};

describe.skipIf(!hasChromium)('a hub with users and rules', () => {
  let browser: Browser;
  let hub: Server;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    browser = await openBrowser();
    await addUser(path.join(folder, 'users'), 'anna', 'correct horse', { scramIterations: 4_096 });
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    const rules = [{ user: 'anna', allow: 'both', filter: 'home/#' }];
    hub = await startHub({
      auth: { users: path.join(folder, 'users'), rules },
      web: { adminPassword: 'admin', viewerPassword: 'viewer' },
    });
    ({ page, complaints } = await openPage(browser, hub.address('web')));
  });
  afterEach(async () => {
    await page.close();
    await hub.stop();
    expect(complaints).toEqual([]);
  });

  test.each(['MQTT 5', 'MQTT 3.1.1', 'CoAP', 'waymeet.v1'])(
    '%s: a wrong password is said, and not tried again; the right one lets in; a rule is said',
    async (protocol) => {
      await connect(page, protocol, 'anna', 'wrong');
      await page.getByText('not connected', { exact: true }).waitFor();
      const notice = page.getByRole('region', { name: 'Connection #1' }).getByRole('alert');
      expect(await notice.textContent()).toMatch(/user name or (?:the )?password|credentials/);
      await connect(page, protocol, 'anna', 'correct horse');
      await page.getByText('connected', { exact: true }).waitFor();
      const card = page.getByRole('region', { name: 'Connection #2' });
      for (const filter of ['home/#', 'other/#']) {
        await card.getByLabel('Topic filter').fill(filter);
        await card.getByRole('button', { name: 'Subscribe', exact: true }).click();
      }
      await card.getByRole('listitem').filter({ hasText: 'home/#' }).getByText('QoS 0').waitFor();
      const refused = card.getByRole('listitem').filter({ hasText: 'other/#' });
      await refused.getByText('refused', { exact: true }).waitFor();
      expect(await refused.locator('.saying').textContent()).toMatch(/allow|permit|rule|authorized/i);
    },
  );

  test('topics: who may not watch is asked who he is, and what to watch', async () => {
    await page.goto(`${hub.address('web')}/#/topics`);
    const form = page.getByRole('form', { name: 'Watch topics' });
    await form.getByLabel('User').fill('anna');
    await form.getByLabel('Password').fill('correct horse');
    await form.getByLabel('Filter').fill('home/#');
    await form.getByRole('button', { name: 'Watch' }).click();
    const device = await connectAsync(hub.address('mqtt'), { username: 'anna', password: 'correct horse' });
    await page.getByText('No topic yet').waitFor();
    await expect
      .poll(async () => {
        await device.publishAsync('home/lamp', 'on', { qos: 1 });
        return page.getByRole('option').filter({ hasText: 'home' }).count();
      })
      .toBeGreaterThan(0);
    await device.endAsync();
  });
});

describe.skipIf(!hasChromium)('over HTTPS', () => {
  judgedBy(['openssl'], 'certificates', () => {
    const secure = (issued: Issued, name: string, port: number) => {
      for (const part of ['cert', 'key'] as const)
        writeFileSync(path.join(folder, `${name}.${part}`), issued[part]);
      const tls = { cert: path.join(folder, `${name}.cert`), key: path.join(folder, `${name}.key`) };
      return startHub({ listeners: [{ name: 'web', type: 'wss', port, tls }] });
    };

    test('a certificate that is not trusted any more: said, with the link to look at it', async () => {
      const first = new Authority().issue('localhost');
      const key = createPublicKey(first.cert).export({ type: 'spki', format: 'der' });
      const pin = createHash('sha256').update(key).digest('base64');
      const browser = await openBrowser([`--ignore-certificate-errors-spki-list=${pin}`]);
      let hub = await secure(first, 'first', 0);
      const address = hub.address('web');
      const { page, complaints } = await openPage(browser, address);
      await page.getByRole('button', { name: 'Connect', exact: true }).click();
      await page.getByText('connected', { exact: true }).waitFor();
      await hub.stop();
      hub = await secure(
        new Authority('Another').issue('localhost'),
        'second',
        Number(new URL(address).port),
      );
      await page.getByText(/the browser does not trust its certificate any more/).waitFor();
      const link = page.getByRole('link', { name: "look at the hub's certificate" });
      expect(await link.getAttribute('href')).toBe(`${address}/health/live`);
      expect(complaints).toEqual([]);
      await browser.close();
      await hub.stop();
    });
  });
});
