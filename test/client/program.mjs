// A program that others kill: it puts numbers into a kept outbox at QoS 2, once, and says how many are acknowledged. Arguments: URL, folder, count.

import { connect } from '../../dist/client/index.js';

const [url, folder, count] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${line}\n`);

const client = await connect(url, {
  outbox: { at: folder, maxMessages: Number(count) + 1 },
  clientId: 'killed',
  backoff: { firstMs: 10, maxMs: 50 },
});
if (process.env.FIRST === 'yes') {
  await Promise.all(
    Array.from({ length: Number(count) }, (_, i) =>
      client.publish('numbers', String(i), { qos: 2, until: 'stored' }),
    ),
  );
}
say('stored');
let told = client.unacknowledged.messages;
const look = setInterval(() => {
  const { messages } = client.unacknowledged;
  if (messages !== told) say(`left ${messages}`);
  told = messages;
}, 1);
await client.flushed();
clearInterval(look);
await client.close();
say('done');
