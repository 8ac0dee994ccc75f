// The route cache: one route for a topic, however it is asked for, until it is forgotten.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fuzz } from '../../test/arbitrary/mqtt.ts';
import { RouteTable } from './routes.ts';

const MAX_ROUTES = 16;
const MAX_LEVELS = 8;
const encoder = new TextEncoder();

const byOctets = (routes: RouteTable, topic: string) => {
  const octets = encoder.encode(topic);
  return routes.byOctets(octets, 0, octets.length);
};

test('a topic has one route, by name and by octets, whichever comes first', () => {
  const routes = new RouteTable(MAX_ROUTES, MAX_LEVELS);
  const named = routes.byTopic('a/b');
  expect(byOctets(routes, 'a/b')).toBe(named);
  expect(byOctets(routes, 'a/b')).toBe(named);
  expect(routes.byTopic('ä/☃')).toBe(byOctets(routes, 'ä/☃'));
});

test('[law] the route that is found is that of the topic, and is not forgotten', () => {
  const step = fc.record({ name: fc.nat(40), octets: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const routes = new RouteTable(MAX_ROUTES, MAX_LEVELS);
      for (const { name, octets } of steps) {
        const topic = `t/${name}`;
        const route = octets ? byOctets(routes, topic)! : routes.byTopic(topic);
        expect([route.topic, route.forgotten]).toEqual([topic, false]);
        expect(octets ? routes.byTopic(topic) : byOctets(routes, topic)).toBe(route);
      }
    }),
    fuzz(200),
  );
});

test('octets that are no topic name have no route', () => {
  const routes = new RouteTable(MAX_ROUTES, MAX_LEVELS);
  for (const bad of ['', '#', 'a/+', 'a\0', '1/2/3/4/5/6/7/8/9'])
    expect(byOctets(routes, bad)).toBeUndefined();
  expect(routes.byOctets(Uint8Array.of(0xff, 0x61), 0, 2)).toBeUndefined();
});
