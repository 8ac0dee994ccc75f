// A hub inside your own program: it listens for MQTT, hears what clients publish, and answers them.
//
//   npm run build
//   node examples/embed.ts          Node 22.18 or newer; before, `npx tsx examples/embed.ts`
//   waymeet pub -t rooms/kitchen/temperature -m 31

import { createHub } from 'waymeet';

/** Starts the hub. `mqttPort` 0 takes a free one. */
export async function main(mqttPort = 1883) {
  const hub = createHub({
    settings: {
      listeners: [{ name: 'mqtt', port: mqttPort }],
      store: { durability: 'memory' },
    },
  });
  await hub.start();

  hub.subscribe('rooms/+/temperature', (message) => {
    const room = message.topic.split('/')[1];
    const degrees = Number(new TextDecoder().decode(message.payload));
    if (degrees > 30) hub.publish(`rooms/${room}/alarm`, `${degrees} °C is too hot`, { retain: true });
  });
  return hub;
}

if (process.argv[1]?.endsWith('embed.ts')) {
  const hub = await main();
  console.log(`listening on ${hub.addresses.join(', ')}`);
  process.once('SIGINT', () => hub.stop());
}
