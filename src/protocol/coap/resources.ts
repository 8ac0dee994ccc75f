// Which resource answers a request: by the first segment of its path.

import { discovery, TOPIC_ROOT } from './discovery.ts';
import type { Endpoint, Request } from './endpoint.ts';
import type { Link } from './links.ts';
import { CODE } from './packet.ts';
import { plugtest } from './plugtest.ts';
import { COLLECTION, discoverable, servePubSub } from './pubsub.ts';
import { TOPICS } from './rendering.ts';
import { rpc } from './rpc.ts';
import { serveTopic } from './topics.ts';

export type Resource = (request: Request, endpoint: Endpoint) => void;

const CALLS: Link = {
  target: '/rpc',
  attributes: [
    ['rt', 'waymeet.rpc'],
    ['title', 'Calls: POST, FETCH'],
  ],
};

/** All resources of a listener. */
export function resources(rpcTimeoutMs: number, withPlugtest: boolean): Resource {
  const tests = withPlugtest ? plugtest() : { links: [], resources: [] };
  const links = [TOPIC_ROOT, COLLECTION, CALLS, ...tests.links];
  const all = new Map<string, Resource>([
    ...tests.resources,
    [TOPICS, serveTopic],
    ['ps', servePubSub],
    ['rpc', rpc(rpcTimeoutMs)],
    ['.well-known', discovery((request, endpoint) => [...links, ...discoverable(request, endpoint)])],
  ]);
  return (request, endpoint) => {
    const resource = all.get(request.options.path[0] ?? '');
    if (resource !== undefined) resource(request, endpoint);
    else
      endpoint.refuseRequest(request, {
        code: CODE.notFound,
        why: `topics are under /${TOPICS}/; /.well-known/core has the rest`,
      });
  };
}
