// The Grafana dashboard asks only for metrics that the hub has.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { startHub } from './hub.ts';

test('every metric of docs/grafana.json is on /metrics', async () => {
  const text = readFileSync(new URL('../../docs/grafana.json', import.meta.url), 'utf8');
  const asked = new Set(text.match(/\b(?:waymeet|process)_[a-z_]+/g));
  const hub = await startHub();
  const page = await (await fetch(`${hub.address('web')}/metrics`)).text();
  await hub.stop();
  expect(asked.size).toBeGreaterThan(10);
  const lacking = [...asked].filter((name) => !page.includes(`# TYPE ${name.replace(/_bucket$/, '')} `));
  // The store of this hub is in memory: it commits nothing.
  expect(lacking).toEqual(['waymeet_store_commit_seconds_bucket']);
});
