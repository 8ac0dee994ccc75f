// The floor: no broker, only a process that passes octets between publisher i and receiver i. It shows what the
// machine, the runtime and the generator can do at most.

import { fileURLToPath } from 'node:url';
import { type Broker, launch } from './broker.ts';

const SCENARIOS = /^(p2p-|one-in-flight-|paced|large-)/;
const server = fileURLToPath(new URL('./floor-serve.js', import.meta.url));

export const floor: Broker = {
  name: 'floor',
  asked: true,

  async available() {
    return { version: `passing octets on, node ${process.version}` };
  },

  // it looks into CONNECT and SUBSCRIBE of MQTT 3.1.1, and into nothing else
  takesPart: ({ name }, level) => level === 4 && SCENARIOS.test(name),

  start(place) {
    return launch(place, [process.execPath, server, String(place.port)]);
  },
};
