// `/.well-known/core` (RFC 6690): what there is, filtered by the query.

import { encodeUint } from './encode.ts';
import type { Endpoint, Request } from './endpoint.ts';
import { filterLinks, formatLinks, type Link } from './links.ts';
import { CODE, OPTION } from './packet.ts';
import { TOPICS } from './rendering.ts';
import type { Resource } from './resources.ts';

const LINK_FORMAT = 40;
/** Terms of a query that say who asks, and nothing about links. */
const CREDENTIALS: ReadonlySet<string> = new Set(['c', 'u', 'p']);
const utf8 = new TextEncoder();

/** The topics of the plain surface. */
export const TOPIC_ROOT: Link = {
  target: `/${TOPICS}`,
  attributes: [['rt', 'waymeet.topics'], ['title', 'Topics: PUT, GET, PATCH, DELETE, FETCH'], ['obs']],
};

/** The resource; `links` says what there is for this request. */
export function discovery(links: (request: Request, endpoint: Endpoint) => readonly Link[]): Resource {
  return (request, endpoint) => {
    const { path } = request.options;
    if (path.length === 2 && path[1] === 'core') respondLinks(request, endpoint, links(request, endpoint));
    else endpoint.refuseRequest(request, { code: CODE.notFound, why: '/.well-known/core' });
  };
}

/** Answers a GET with the links that its query asks for. */
export function respondLinks(request: Request, endpoint: Endpoint, links: readonly Link[]): void {
  const { accept, query } = request.options;
  if (request.message.code !== CODE.get) {
    endpoint.refuseRequest(request, { code: CODE.methodNotAllowed, why: 'GET' });
    return;
  }
  if (accept !== undefined && accept !== LINK_FORMAT) {
    endpoint.refuseRequest(request, { code: CODE.notAcceptable, why: 'link format (40) only' });
    return;
  }
  const terms = new Map([...query].filter(([name]) => !CREDENTIALS.has(name)));
  const found = filterLinks(links, terms);
  const format = { number: OPTION.contentFormat, value: encodeUint(LINK_FORMAT) };
  endpoint.respond(request, CODE.content, [format], utf8.encode(formatLinks(found)));
}
