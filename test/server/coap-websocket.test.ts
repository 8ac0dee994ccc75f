// CoAP over a real WebSocket: the path and subprotocol that RFC 8323 names, beside MQTT on one port.

import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { encodeOptions } from '../../src/protocol/coap/encode.ts';
import { decodeMessage, encodeFrame } from '../../src/protocol/coap/frame.ts';
import { CODE, codeText, OPTION, SIGNAL } from '../../src/protocol/coap/packet.ts';
import { useBroker } from '../judges/broker.ts';
import { Inbox } from '../judges/inbox.ts';

const broker = useBroker(() => ({ listeners: [{ name: 'ws', type: 'ws', host: '127.0.0.1', port: 0 }] }));

test('[RFC8323-4.1, 8.1] settings, a publication, a value', async () => {
  const url = `ws://127.0.0.1:${broker.port('ws')}/.well-known/coap`;
  const web = new WebSocket(url, 'coap');
  const inbox = new Inbox<string>('messages');
  web.on('message', (octets: Buffer) => {
    const m = decodeMessage(octets, 0, octets.length);
    inbox.push(`${codeText(m.code)} ${Buffer.from(m.payload)}`.trimEnd());
  });
  const path = ['t', 'web'].map((s) => ({ number: OPTION.uriPath, value: Buffer.from(s) as Uint8Array }));
  const retain = { number: OPTION.uriQuery, value: Buffer.from('retain=1') as Uint8Array };
  const send = (code: number, tail: Uint8Array) => web.send(encodeFrame(code, Uint8Array.of(1), tail, true));
  web.on('open', () => {
    send(SIGNAL.csm, new Uint8Array());
    send(CODE.put, encodeOptions([...path, retain], 0, Buffer.from('here')));
  });
  expect(await inbox.take(2)).toEqual(['7.01', '2.04']);
  send(CODE.get, encodeOptions(path, 0, new Uint8Array()));
  expect(await inbox.next()).toBe('2.05 here');
  web.close();
});
