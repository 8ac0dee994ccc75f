// The test client: connections side by side, what they subscribe to, what is published, and every message.

import { signal } from '@preact/signals';
import { connections } from '../../client/connections.ts';
import { Icon } from '../../parts/icons.tsx';
import { Choice } from '../../parts/parts.tsx';
import { ConnectionCard } from './connection-card.tsx';
import { ConnectionForm } from './connection-form.tsx';
import { Counts, Messages } from './messages.tsx';
import { Packets } from './packets.tsx';
import { PublishForm } from './publish-form.tsx';
import { Welcome } from './welcome.tsx';

const adding = signal(false);
const tab = signal<'messages' | 'packets'>('messages');
/** A phone shows one of the two. */
const pane = signal<'connections' | 'messages'>('messages');

export function TestClientPage() {
  const first = connections.value.length === 0;
  return (
    <div class={`page fill client-page shows-${first ? 'both' : pane.value}`}>
      {!first && (
        <div class="phone-only">
          <Choice
            label="Part of the page"
            options={{ messages: 'Messages', connections: `Connections ${connections.value.length}` }}
            value={pane.value}
            choose={(v) => {
              pane.value = v;
            }}
          />
        </div>
      )}
      <aside aria-label="Connections">
        {connections.value.map((c) => (
          <ConnectionCard key={c.name} connection={c} />
        ))}
        {first || adding.value ? (
          <ConnectionForm
            first={first}
            done={() => {
              adding.value = false;
            }}
          />
        ) : (
          <button
            type="button"
            class="add"
            onClick={() => {
              adding.value = true;
            }}
          >
            <Icon name="plus" /> Add a connection
          </button>
        )}
      </aside>
      {first ? (
        <Welcome />
      ) : (
        <div class="talk">
          <div class="card flush board">
            <div class="board-head row">
              <Choice
                label="Show"
                options={{ messages: 'Messages', packets: 'Packets' }}
                value={tab.value}
                choose={(v) => {
                  tab.value = v;
                }}
              />
              <div class="spread" />
              {tab.value === 'messages' && <Counts />}
            </div>
            {tab.value === 'messages' ? <Messages /> : <Packets />}
          </div>
          <PublishForm />
        </div>
      )}
    </div>
  );
}
