// The page of the web port in a real browser: it connects, subscribes, publishes and shows the message.

import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ending, OFF, placeOf, start } from './running.ts';

const place = placeOf('chromium');

const SWITCHES = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

describe.skipIf(place === undefined)('in chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: place!, args: SWITCHES });
  }, 60_000);
  afterAll(() => browser.close());

  test.each([360, 1_100])('at %i px: nothing sticks out, and a message comes back', async (width) => {
    const hub = await start({ ports: { ...OFF, web: 0 } });
    const context = await browser.newContext({ viewport: { width, height: 800 } });
    ending(() => context.close());
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (line) => complaints.push(line.text()));
    await page.goto(hub.server.address('web'));
    await page.waitForSelector('#state.on');
    expect(await page.isVisible('#login')).toBe(false);

    await page.click('#subscribe button');
    await page.locator('#said', { hasText: 'subscribed' }).waitFor();
    await page.fill('#publish [name=payload]', '<b>21 °C</b>');
    await page.click('#publish button');
    const shown = page.locator('#messages li', { hasText: '21 °C' });
    await shown.waitFor();
    expect(await shown.textContent()).toMatch(/^demo\/hello <b>21 °C<\/b>/);
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0);
    expect(complaints).toEqual([]);
  });
});
