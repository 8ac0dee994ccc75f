// A program that others kill: it takes numbers at QoS 2 and says each before it acknowledges it. Arguments: URL, folder.

import { writeSync } from 'node:fs';
import { connect } from '../../dist/client/index.js';

const [url, folder] = process.argv.slice(2);
const client = await connect(url, {
  outbox: { at: folder },
  clientId: 'receiver',
  receiveMaximum: 16,
  backoff: { firstMs: 10, maxMs: 50 },
});
const numbers = await client.subscribe('received', { qos: 2, acknowledge: 'explicit' });
for await (const m of numbers) {
  writeSync(1, `${m.text()}\n`);
  m.acknowledge();
  if (m.text() === 'end') break;
}
await client.close();
