// The ETSI plugtests' cases and hostile datagrams against the plugtest resources, octet by octet from Python.

import path from 'node:path';
import { expect, test } from 'vitest';
import { useBroker } from './broker.ts';
import { PATIENCE_MS } from './inbox.ts';
import { judgedBy, run } from './tool.ts';

const broker = useBroker(() => ({
  listeners: [{ name: 'udp', type: 'udp', protocols: ['coap'], host: '127.0.0.1', port: 0 }],
  coap: { plugtest: true },
}));
const CASES = 16;

judgedBy(['python3'], 'CoAP octet by octet', () => {
  test(
    'every case',
    async () => {
      const script = path.join(import.meta.dirname, 'coap-cases.py');
      const command = ['python3', script, '127.0.0.1', `${broker.port('udp')}`];
      const { out, errors } = await run(command, '', 3 * PATIENCE_MS);
      const lines = out.trimEnd().split('\n');
      expect([lines.filter((line) => !line.endsWith(': ok')), errors]).toEqual([[], '']);
      expect(lines).toHaveLength(CASES);
    },
    4 * PATIENCE_MS,
  );
});
