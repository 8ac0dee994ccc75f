// Request and response across protocols: who can name a response topic asks, who is told one answers; CoAP asks with `/rpc`.

import { expect, test } from 'vitest';
import { decodeCoap } from '../../src/protocol/coap/decode.ts';
import { encodeCoap } from '../../src/protocol/coap/encode.ts';
import { CODE, type CoapMessage, OPTION } from '../../src/protocol/coap/packet.ts';
import { type Broker, startBroker, toHex } from '../network.ts';
import { type Ability, PROTOCOLS, type Said, type Speaker } from './speakers.ts';

const CALL: readonly (keyof Said)[] = ['responseTopic', 'correlation'];
const text = (s: string): Uint8Array => new TextEncoder().encode(s);

function names(can: (a: Ability) => boolean): string[] {
  return Object.keys(PROTOCOLS).filter((name) => can(PROTOCOLS[name]!));
}
const RESPONDERS = names((a) => CALL.every((w) => a.hears.includes(w)) && a.says.includes('correlation'));
const ASKERS = names((a) => CALL.every((w) => a.says.includes(w)) && a.hears.includes('correlation'));
const PAIRS = ASKERS.flatMap((asker) => RESPONDERS.map((responder) => [asker, responder] as const));

/** Answers the one request that waits for `speaker`. */
async function respond(speaker: Speaker): Promise<void> {
  const [request, ...more] = await speaker.heard();
  expect(more).toEqual([]);
  expect(request!.payload).toBe(toHex(text('2 2')));
  const { responseTopic, correlation } = request!.said;
  const said = correlation === undefined ? {} : { correlation };
  await speaker.publish({ topic: responseTopic!, payload: text('4'), qos: 1, retain: false, said });
}

test.each(PAIRS)('%s asks, %s answers', async (from, to) => {
  const broker = await startBroker();
  const responder = await PROTOCOLS[to]!.open(broker, 'responder');
  await responder.subscribe('add', 1);
  await responder.heard();
  const asker = await PROTOCOLS[from]!.open(broker, 'asker');
  await asker.subscribe('answers/asker', 1);
  await asker.heard();
  const said = { responseTopic: 'answers/asker', correlation: '00 ff 10' };
  await asker.publish({ topic: 'add', payload: text('2 2'), qos: 1, retain: false, said });
  await respond(responder);
  expect(await asker.heard()).toMatchObject([
    { payload: toHex(text('4')), said: { correlation: '00 ff 10' } },
  ]);
});

test.each(RESPONDERS)('a CoAP client calls, %s answers', async (to) => {
  const broker = await startBroker();
  const responder = await PROTOCOLS[to]!.open(broker, 'responder');
  await responder.subscribe('add', 1);
  await responder.heard();
  const asker = broker.connect({ protocol: 'coap', remote: '127.0.0.1:50001' });
  asker.send(rpc(text('2 2')));
  await broker.clock.advance(0);
  await respond(responder);
  await broker.clock.advance(0);
  expect(answersOf(asker.takeEach())).toMatchObject([{ code: CODE.changed, payload: text('4') }]);
});

test('a CoAP client whose call nobody answers gets 5.04', async () => {
  const broker: Broker = await startBroker();
  const asker = broker.connect({ protocol: 'coap', remote: '127.0.0.1:50001' });
  asker.send(rpc(text('2 2')));
  await broker.clock.advance(0);
  expect(answersOf(asker.takeEach())).toMatchObject([{ code: CODE.gatewayTimeout }]);
});

function rpc(payload: Uint8Array): Uint8Array {
  const options = ['rpc', 'add'].map((level) => ({ number: OPTION.uriPath, value: text(level) }));
  return encodeCoap({ type: 0, code: CODE.post, id: 1, token: Uint8Array.of(7), options, payload });
}

/** What is no empty acknowledgement. */
function answersOf(datagrams: readonly Uint8Array[]): CoapMessage[] {
  return datagrams
    .map((datagram) => decodeCoap(datagram, 0, datagram.length) as CoapMessage)
    .filter((m) => m.code !== CODE.empty);
}
