// Which resource answers a request: by the first segments of its path.

import { serveDiscovery } from './discovery.ts';
import type { Endpoint, Request } from './endpoint.ts';
import { CODE } from './packet.ts';
import { TOPICS } from './rendering.ts';
import { serveTopic } from './topics.ts';

export type Resource = (request: Request, endpoint: Endpoint) => void;

/** The resources by their first path segment. */
export function resources(more: ReadonlyMap<string, Resource>): Resource {
  const all = new Map<string, Resource>([[TOPICS, serveTopic], ['.well-known', serveDiscovery], ...more]);
  return (request, endpoint) => {
    const { path } = request.options;
    const resource = all.get(path[0] ?? '');
    if (resource !== undefined) resource(request, endpoint);
    else
      endpoint.refuseRequest(request, {
        code: CODE.notFound,
        why: `topics are under /${TOPICS}/; /.well-known/core has the rest`,
      });
  };
}
