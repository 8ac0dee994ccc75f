// The floor: no broker, only a process that passes the octets of publisher i on to receiver i. It shows what the
// machine, the runtime and the generator can do at most.

import { fileURLToPath } from 'node:url';
import { type Broker, launch } from './broker.ts';

const SCENARIOS = ['p2p-q0', 'one-in-flight-q0', 'paced', 'large-64k', 'large-1m', 'large-16m'];
const server = fileURLToPath(new URL('./floor-serve.js', import.meta.url));

export const floor: Broker = {
  name: 'floor',

  async available() {
    return { version: `passing octets on, node ${process.version}` };
  },

  // it looks into CONNECT and SUBSCRIBE of MQTT 3.1.1, and into nothing else
  takesPart: ({ name }, level) => level === 4 && SCENARIOS.includes(name),

  start(place) {
    return launch(place, [process.execPath, server, String(place.port)]);
  },
};
