// The Lab and the advice in a real Chromium: a run from the form to its plots, what a reload and a restart leave, two runs overlaid, the choice.

import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { useServers } from '../fault/server.ts';
import { hasChromium, openBrowser, openPage } from './browser.ts';

/** WAYMEET_SHOTS=folder keeps pictures, to be looked at. */
const SHOTS = process.env.WAYMEET_SHOTS;
const PHONE_WIDTH = 390;
/** Only a failure takes so long: a machine that is busy with other tests is slow. */
const TEST_MS = 200_000;
const RUN_MS = 90_000;

// The hub is a process of its own, as it is built: runs are on their thread.
describe.skipIf(!hasChromium)('the Lab in Chromium', { timeout: TEST_MS }, () => {
  const hubs = useServers();
  let browser: Browser;
  let base: string;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    browser = await openBrowser();
    if (SHOTS !== undefined) mkdirSync(SHOTS, { recursive: true });
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    await page.close();
    expect(complaints).toEqual([]);
  });

  const launch = async (durability: 'relaxed' | 'memory', flags: readonly string[] = [], port = '0') => {
    const hub = hubs.launch({ durability, flags: ['--ports-web', port, ...flags] });
    await hub.ready;
    base = /http:\/\/127\.0\.0\.1:\d+/.exec(hub.log.find(({ msg }) => msg.includes('is ready'))!.msg)![0];
    return hub;
  };
  const open = async (durability: 'relaxed' | 'memory', flags: readonly string[] = []) => {
    const hub = await launch(durability, flags);
    ({ page, complaints } = await openPage(browser, base));
    await page.emulateMedia({ reducedMotion: 'reduce' });
    return hub;
  };
  const go = (...words: string[]) => page.goto(`${base}/#/${words.join('/')}`);
  const shot = async (name: string) => {
    if (SHOTS === undefined) return;
    for (const scheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      // The whole of it: the page scrolls within its frame.
      const height = await page.evaluate('document.querySelector("main").scrollHeight');
      await page.setViewportSize({ width: 1280, height: Number(height) });
      await page.screenshot({ path: path.join(SHOTS, `lab-${name}-${scheme}.png`) });
      await page.setViewportSize({ width: 1280, height: 800 });
    }
  };
  const phone = async (name: string) => {
    await page.setViewportSize({ width: PHONE_WIDTH, height: 844 });
    const wide = await page.evaluate('document.querySelector("main").scrollWidth');
    expect(wide, `${name} at the width of a phone`).toBeLessThanOrEqual(PHONE_WIDTH);
    if (SHOTS !== undefined) {
      const height = await page.evaluate('document.querySelector("main").scrollHeight + 60');
      await page.setViewportSize({ width: PHONE_WIDTH, height: Number(height) });
      await page.screenshot({ path: path.join(SHOTS, `lab-${name}-phone.png`) });
    }
    await page.setViewportSize({ width: 1280, height: 800 });
  };

  const form = () => page.getByRole('form', { name: 'New run' });
  /** A small run by hand: two variants, so many messages. */
  const run = async (messages: string, sweeps: boolean) => {
    await go('lab');
    await form().getByLabel('Messages in all').fill(messages);
    await form().getByRole('button', { name: 'None' }).click();
    for (const name of ['CoAP NON', 'MQTT 5 QoS 1']) {
      await form().getByLabel('Search variants').fill(name);
      await form().getByLabel(name, { exact: true }).check();
    }
    await form().getByLabel('Search variants').fill('');
    const more = form().locator('details').filter({ hasText: 'Sleep, outage, sweeps, seed' });
    if (!(await more.getByLabel('Seed').isVisible())) await more.locator('summary').click();
    for (const sweep of ['at 0 to 20 % loss', 'messages an hour'])
      await more.getByLabel(sweep).setChecked(sweeps);
    await form().getByRole('button', { name: 'Run', exact: true }).click();
    await page
      .getByRole('region', { name: 'Run', exact: true })
      .getByText('done', { exact: true })
      .waitFor({ timeout: RUN_MS });
  };
  const distribution = () => page.getByRole('region', { name: 'Distribution of latency' });
  const past = () => page.getByRole('region', { name: 'Past runs' });

  test('a run: put together, watched, its figures and plots; there after a reload, after a restart, until it is deleted', async () => {
    const hub = await open('relaxed');
    await go('lab');
    await past().getByText('No run yet').waitFor();
    // Enough of them that the progress is to be seen.
    await form().getByLabel('Messages in all').fill('60');
    await form().getByRole('checkbox', { name: /^own/ }).check();
    await form().getByLabel('Frames lost, %').fill('10');
    await form().getByText('12 variants × 2 networks × 60 messages: 1,440 of at most 100,000.').waitFor();
    await form().getByLabel('TLS or DTLS').selectOption('none');
    await form().getByText('10 variants × 2 networks').waitFor();
    await shot('form');
    await phone('form');
    await form().getByRole('button', { name: 'Run', exact: true }).click();
    const head = page.getByRole('region', { name: 'Run', exact: true });
    const progress = head.getByRole('progressbar', { name: 'Progress' });
    await expect.poll(async () => Number(await progress.getAttribute('value'))).toBeGreaterThan(0);
    await page.getByRole('region', { name: 'Measures' }).waitFor(); // what is there so far is shown
    await shot('running');
    await head.getByText('done', { exact: true }).waitFor({ timeout: RUN_MS });
    await head.getByText('10 variants on wifi, own').waitFor();
    await page.getByRole('radiogroup', { name: 'Network' }).getByRole('radio', { name: 'own' }).click();
    const table = page.getByRole('region', { name: 'Measures' });
    const firstRow = table.getByRole('row').nth(1);
    await table.getByRole('button', { name: 'octets per message' }).click();
    expect(await firstRow.getByRole('rowheader').textContent()).toBe('mqttsn-qos0');
    await table.getByRole('button', { name: 'octets per message' }).click();
    expect(await firstRow.getByRole('rowheader').textContent()).toBe('http');
    for (const name of [
      'Octets per message',
      'Latency, median to 99th percentile',
      'Delivered and lost',
      'To the first message',
      'An idle hour',
      'Energy proxy per message',
    ]) {
      const bars = page.getByRole('region', { name, exact: true }).getByRole('listitem');
      expect(await bars.filter({ hasText: 'coap-con' }).count(), name).toBe(1);
    }
    const picture = distribution().getByRole('img');
    expect(await picture.getAttribute('aria-label')).toMatch(/http: half by [\d.]+ ms, \d+\.\d % by/);
    await shot('run');
    await phone('run');
    await page.reload();
    await head.getByText(/, on disk$/).waitFor();
    await head.getByRole('link', { name: 'Overlay networks' }).click();
    expect(await page.getByLabel('Network of A').inputValue()).toBe('wifi');
    expect(await page.getByLabel('Network of B').inputValue()).toBe('own');
    await expect.poll(() => distribution().locator('.dashed').count()).toBe(8);
    const { port } = new URL(base);
    await hub.kill();
    await launch('relaxed', [], port);
    await go('lab');
    await past()
      .getByRole('link', { name: /60 messages of 20 octets, one every 10 s/ })
      .waitFor();
    await past().getByRole('button', { name: 'Delete' }).click();
    await past().getByRole('button', { name: 'For good?' }).click();
    await past().getByText('No run yet').waitFor();
  });

  test('a run is stopped: what is finished stays; its page, CSV and lines are downloaded', async () => {
    await open('relaxed');
    await go('lab');
    await form()
      .getByRole('button', { name: /^All \d\d$/ })
      .click();
    await form().getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByRole('region', { name: 'Measures' }).waitFor();
    const head = page.getByRole('region', { name: 'Run', exact: true });
    await head.getByRole('button', { name: 'Stop' }).click();
    await head.getByText('stopped before its end').waitFor();
    for (const [name, ending] of [
      ['Report', 'html'],
      ['CSV', 'csv'],
      ['JSON lines', 'ndjson'],
    ] as const) {
      const download = page.waitForEvent('download');
      await head.getByRole('link', { name }).click();
      expect((await download).suggestedFilename()).toMatch(
        new RegExp(`^waymeet-lab-[0-9a-f]{12}\\.${ending}$`),
      );
    }
  });

  test('two runs over each other: both in every plot, and what lies between them', async () => {
    await open('memory');
    await run('20', true);
    const loss = page.getByRole('region', { name: 'Latency against loss' }).getByRole('img');
    expect(await loss.getAttribute('aria-label')).toMatch(/mqtt5-qos1: .* at 0\.0 %, .* at 20\.0 %/);
    const cost = page.getByRole('region', { name: 'Cost against message rate' });
    await cost.getByRole('heading', { name: 'Where the cheapest changes' }).waitFor();
    await shot('sweeps');
    await phone('sweeps');
    await page.getByText(/in memory: it is gone with the hub/).waitFor();
    await run('30', false);
    await go('lab');
    await past().getByText('This hub keeps nothing on disk').waitFor();
    const marks = past().getByRole('checkbox', { name: /^Overlay / });
    await expect.poll(() => marks.count()).toBe(2);
    await marks.nth(0).check();
    await marks.nth(1).check();
    await past().getByRole('link', { name: 'Overlay two' }).click();
    await page.getByRole('region', { name: 'Run A' }).getByText('20 messages').waitFor();
    await page.getByRole('region', { name: 'Run B' }).getByText('30 messages').waitFor();
    const bars = page.getByRole('region', { name: 'Octets per message' }).getByRole('listitem');
    await expect.poll(() => bars.filter({ hasText: 'mqtt5-qos1' }).locator('.lab-line').count()).toBe(2);
    const row = page.getByRole('region', { name: 'Measures' }).getByRole('row', { name: /^mqtt5-qos1/ });
    expect(await row.locator('.lab-change').allTextContents()).toContainEqual(
      expect.stringMatching(/^[+−][\d.,]+ (?:%|messages)$/),
    );
    expect(await distribution().locator('.dashed').count()).toBe(2);
    await shot('overlay');
    await phone('overlay');
  });

  test('the choice: answered, why, turned by one answer, with the code', async () => {
    await open('memory');
    // A measurement that is as small as it may be: what it says is not looked at here.
    await page.route('**/api/v1/lab/choose', (route) => {
      const { answers, workload } = route.request().postDataJSON() as Record<string, object>;
      const small = { ...workload, messages: 2, idleMinutes: 0 };
      return route.continue({ postData: { answers, workload: small } });
    });
    await go('choose');
    const questions = page.getByRole('form', { name: 'Questions' });
    await questions.getByLabel('What network is it on?').selectOption('lan');
    await questions.getByLabel('Is it a REST interface').selectOption('yes');
    await questions.getByLabel('Messages an hour').fill('36000');
    await questions.getByRole('button', { name: 'Say which' }).click();
    await questions.getByRole('progressbar', { name: 'Progress' }).waitFor();
    const answer = page.getByRole('region', { name: 'The answer', exact: true });
    await answer.getByRole('heading').waitFor({ timeout: RUN_MS });
    const first = await answer.getByRole('heading').textContent();
    await answer.getByText('octets an idle hour').waitFor();
    await page.getByRole('region', { name: 'To start with' }).getByText("connect('").waitFor();
    await shot('choose');
    await phone('choose');
    const turns = page.getByRole('region', { name: 'What would change the answer' });
    await turns.getByRole('button', { name: 'cloud: azure' }).click();
    await expect.poll(() => answer.getByRole('heading').textContent(), { timeout: RUN_MS }).not.toBe(first);
    expect(await questions.getByLabel('Which cloud does it end in?').inputValue()).toBe('azure');
    await page
      .getByRole('region', { name: 'Left out' })
      .getByText(/Azure IoT Hub does not speak it/)
      .waitFor();
    await answer.getByRole('link', { name: /^run / }).first().click();
    await page.getByText(/^2 messages of 20 octets, 10 a second/).waitFor();
  });

  test('a viewer looks and runs nothing; keys lead to both pages', async () => {
    await open('memory', ['--web-admin-password', 'correct horse', '--web-viewer-password', 'only looking']);
    await page.keyboard.press('g');
    await page.keyboard.press('l');
    const login = page.getByRole('form', { name: 'Log in' });
    await login.getByLabel('User').fill('viewer');
    await login.getByLabel('Password').fill('only looking');
    await login.getByRole('button', { name: 'Log in' }).click();
    await form().getByText('A viewer may look at runs').waitFor();
    expect(await form().getByRole('button', { name: 'Run', exact: true }).isDisabled()).toBe(true);
    await page.keyboard.press('g');
    await page.keyboard.press('a');
    await page.getByRole('heading', { name: 'Which protocol?' }).waitFor();
  });
});
