// The documents of `waymeet.v1` say what the codec does: `npx vitest run src/protocol/websocket/asyncapi.test.ts -u` writes asyncapi.yaml anew.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { asyncApi } from './asyncapi.ts';
import { decodeFrame, decodeHubFrame } from './decode.ts';
import { CLIENT_FRAMES, HUB_FRAMES } from './frames.ts';

const DOCS = path.join(import.meta.dirname, '../../../docs');
const WORDS = readFileSync(path.join(DOCS, 'protocols/waymeet-v1.md'), 'utf8');

/** The frames in the document's JSON blocks, one a line. */
const SHOWN = [...WORDS.matchAll(/```json\n([\s\S]*?)```/g)].flatMap(([, block]) =>
  block!.trim().split('\n'),
);

test('docs/asyncapi.yaml is what the frames are checked by', async () => {
  const document = stringify(asyncApi('1', '/waymeet'), { aliasDuplicateObjects: false, lineWidth: 140 });
  await expect(`# Generated from src/protocol/websocket/frames.ts.\n${document}`).toMatchFileSnapshot(
    path.join(DOCS, 'asyncapi.yaml'),
  );
});

test('every reference of the document leads somewhere', () => {
  const document = asyncApi('1', '/waymeet') as Record<string, unknown>;
  const references = JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g);
  for (const [, to] of references) {
    let at: unknown = document;
    for (const step of to!.split('/')) at = (at as Record<string, unknown>)[step];
    expect(at, to).toBeDefined();
  }
});

test.each(SHOWN)('shown, and so it is: %s', (line) => {
  const octets = new TextEncoder().encode(line);
  const { type } = JSON.parse(line) as { type: string };
  const decode = Object.hasOwn(CLIENT_FRAMES, type) ? decodeFrame : decodeHubFrame;
  expect(decode(octets, 0, octets.length)).toEqual(JSON.parse(line));
});

test('every frame is shown', () => {
  const shown = new Set(SHOWN.map((line) => (JSON.parse(line) as { type: string }).type));
  expect([...shown].toSorted()).toEqual(
    [...new Set([...Object.keys(CLIENT_FRAMES), ...Object.keys(HUB_FRAMES)])].toSorted(),
  );
});

test('the CBOR that is shown is a frame', () => {
  const dump = WORDS.slice(WORDS.indexOf('a3   '), WORDS.lastIndexOf('```'));
  const hex = dump
    .split('\n')
    .map((line) => line.slice(0, 28))
    .join('');
  const octets = Buffer.from(hex.replace(/\s/g, ''), 'hex');
  expect(decodeFrame(octets, 0, octets.length)).toEqual({
    type: 'publish',
    topic: 'a',
    payload: Uint8Array.of(0, 255),
  });
});
