// What is seen before the first connection: one button that shows what the hub is for.

import { hub } from '../../api.ts';
import { addConnection, freshClientId } from '../../client/connections.ts';
import { type Dialect, PLAIN_OPTIONS, PLAIN_SUBSCRIPTION } from '../../links/link.ts';
import { Icon, Mark } from '../../parts/icons.tsx';

const FILTER = 'demo/#';

/** Three protocols, each subscribed to the same topics. */
const SHOWN: readonly Dialect[] = ['mqtt5', 'coap', 'waymeet'];

function showMe(): void {
  for (const dialect of SHOWN) {
    const connection = addConnection({ ...PLAIN_OPTIONS, dialect, clientId: freshClientId() });
    void connection.subscribe(FILTER, PLAIN_SUBSCRIPTION);
  }
}

export function Welcome() {
  const protocols = [...new Set((hub.value?.listeners ?? []).flatMap((l) => l.protocols))];
  return (
    <section class="card welcome-card" aria-label="Welcome">
      <Mark size={56} />
      <h1>Where every protocol meets</h1>
      <p class="quiet">
        What is published by one protocol reaches the subscribers of all. This page is a client of several of
        them: open a few connections beside each other, and watch a message cross.
      </p>
      <div class="row wrap">
        <button type="button" class="main big" onClick={showMe}>
          <Icon name="play" /> Show me
        </button>
        <a class="button-like" href="#/device">
          <Icon name="chip" /> Connect a device
        </a>
      </div>
      <p class="quiet small">
        Opens MQTT 5, CoAP and JSON, each subscribed to <code>{FILTER}</code>. Then publish, and see it three
        times.
      </p>
      {protocols.length > 0 && (
        <ul class="row wrap spoken" aria-label="Protocols that the hub speaks">
          {protocols.map((p) => (
            <li key={p} class="badge">
              {p}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
