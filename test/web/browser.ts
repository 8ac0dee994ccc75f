// Debian's Chromium, driven by playwright-core; tests that need it are skipped by name where it is missing.

import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';

const EXECUTABLE = '/usr/bin/chromium';
/** Only a failure takes so long. */
const TIMEOUT_MS = 12_000;

export const hasChromium = existsSync(EXECUTABLE);

/** A browser that speaks to nobody but the hub. */
export function openBrowser(more: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: EXECUTABLE,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...more,
    ],
  });
}

/** A page of the dashboard. `complaints` gets what must not happen: errors, requests that the policy stops, requests elsewhere. */
export async function openPage(
  browser: Browser,
  base: string,
): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  const complaints: string[] = [];
  page.setDefaultTimeout(TIMEOUT_MS);
  page.on('pageerror', (error) => complaints.push(String(error.stack)));
  page.on('console', (m) => {
    if (m.type() === 'error' && /Content Security Policy/.test(m.text())) complaints.push(m.text());
  });
  page.on('request', (request) => {
    if (!/^(?:data|blob):/.test(request.url()) && new URL(request.url()).host !== new URL(base).host)
      complaints.push(`a request to ${request.url()}`);
  });
  await page.goto(base);
  return { page, complaints };
}
