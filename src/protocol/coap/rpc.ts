// Request and response: `/rpc/{topic…}` publishes the request with a response topic, and answers with what comes back there.

import type { Hub } from '../../contract/hub.ts';
import { Message } from '../../contract/message.ts';
import { isTopicName } from '../../contract/topic.ts';
import { Desk } from './desk.ts';
import { type Endpoint, keyOf, qosOf, type Request } from './endpoint.ts';
import { metaOf, representation } from './map.ts';
import { CODE } from './packet.ts';
import type { Resource } from './resources.ts';

/** Answers come to `$rpc/{desk}/{call}`: responders need the permission to publish there. */
const ROOT = '$rpc';
/** Calls of one endpoint that may wait for their answers. */
const MAX_CALLS = 16;
const ID_BYTES = 8;

interface Call {
  readonly request: Request;
  readonly endpoint: Endpoint;
  readonly cancel: () => void;
}

/** All calls of all CoAP endpoints of one hub. */
class RpcDesk extends Desk {
  readonly id: string;
  private readonly calls = new Map<string, Call>();

  constructor(hub: Hub) {
    super(hub);
    this.id = keyOf(hub.random(ID_BYTES));
  }

  call(request: Request, endpoint: Endpoint, timeoutMs: number): void {
    const topic = request.options.path.slice(1).join('/');
    if (!isTopicName(topic, this.hub.limits)) {
      endpoint.refuseOutcome(request, 'topic-invalid');
      return;
    }
    if (!this.open(`coap-rpc-${this.id}`, `${ROOT}/${this.id}/+`)) {
      endpoint.refuseOutcome(request, 'unavailable');
      return;
    }
    const mine = [...this.calls.values()].filter((call) => call.endpoint === endpoint).length;
    if (mine >= MAX_CALLS) {
      endpoint.refuseOutcome(request, 'quota-exceeded');
      return;
    }

    const correlation = this.hub.random(ID_BYTES);
    const key = keyOf(correlation);
    const give = () =>
      this.finish(key, (call) =>
        call.endpoint.refuseRequest(call.request, { code: CODE.gatewayTimeout, why: 'no answer in time' }),
      );
    const cancel = endpoint.later(endpoint.now + timeoutMs, give, (why) =>
      this.finish(key, () => endpoint.refuseOutcome(request, why)),
    );
    this.calls.set(key, { request, endpoint, cancel });
    const { access } = endpoint;
    const origin = { protocol: 'coap', client: access.client, principal: access.identity.principal };
    const responseTopic = `${ROOT}/${this.id}/${key}`;
    const meta = { ...metaOf(request.options.contentFormat, request.body), responseTopic, correlation };
    const until = endpoint.now + timeoutMs; // an answer after that helps nobody
    const qos = qosOf(request.exchange);
    const outcome = endpoint.publish(
      new Message(topic, request.body, qos, false, origin, endpoint.now, until, meta),
    );
    if (outcome === 'unmatched') {
      const refusal = { code: CODE.gatewayTimeout, why: 'nobody answers there' };
      this.finish(key, () => endpoint.refuseRequest(request, refusal));
    } else if (outcome !== 'ok') this.finish(key, () => endpoint.refuseOutcome(request, outcome));
  }

  private finish(key: string, how: (call: Call) => void): void {
    const call = this.calls.get(key);
    if (call === undefined) return; // answered before
    this.calls.delete(key);
    call.cancel();
    if (!call.endpoint.lost) how(call);
  }

  protected hear(m: Message): void {
    const key = m.topic.slice(m.topic.lastIndexOf('/') + 1);
    this.finish(key, ({ request, endpoint }) => {
      const code = request.message.code === CODE.post ? CODE.changed : CODE.content;
      endpoint.respond(request, code, representation(m, endpoint.now), m.payload);
      endpoint.schedule();
    });
  }

  protected closed(): void {
    for (const key of [...this.calls.keys()])
      this.finish(key, ({ request, endpoint }) => endpoint.refuseOutcome(request, 'shutting-down'));
  }
}

const desks = new WeakMap<Hub, RpcDesk>();

/** `/rpc/{topic…}`; POST, or FETCH where the call changes nothing. */
export function rpc(timeoutMs: number): Resource {
  return (request, endpoint) => {
    const { code } = request.message;
    if (code !== CODE.post && code !== CODE.fetch) {
      endpoint.refuseRequest(request, { code: CODE.methodNotAllowed, why: 'POST or FETCH' });
      return;
    }
    // The answer may be large, and asking twice would do things twice. [RFC9175-2.4]
    if (!endpoint.layer.verified) {
      endpoint.layer.challenge(request.exchange);
      return;
    }
    let desk = desks.get(endpoint.hub);
    if (desk === undefined) {
      desk = new RpcDesk(endpoint.hub);
      desks.set(endpoint.hub, desk);
    }
    desk.call(request, endpoint, timeoutMs);
  };
}
