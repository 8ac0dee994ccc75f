// Every packet of one connection, both ways, as it crossed the wire; one of them field by field.

import { signal } from '@preact/signals';
import { hexOf } from '../../../../src/admin/anatomy/part.ts';
import { anatomyOf, octetsOf, packetName } from '../../anatomy/anatomy.ts';
import { Anatomy } from '../../anatomy/view.tsx';
import { connections, type Packet } from '../../client/connections.ts';
import { DIALECTS, type Dialect } from '../../links/link.ts';
import { Icon } from '../../parts/icons.tsx';
import { bytes, instant } from '../../parts/numbers.ts';
import { Empty, Select } from '../../parts/parts.tsx';
import { VirtualList } from '../../parts/virtual.tsx';

const from = signal('');
const chosen = signal<Packet | undefined>(undefined);
const PREVIEW = 24;

export function Packets() {
  const connection = connections.value.find((c) => c.name === from.value) ?? connections.value[0]!;
  const { dialect } = connection.o;
  return (
    <section class="messages" aria-label="Packets">
      <div class="toolbar">
        <Select
          label="Connection"
          options={Object.fromEntries(
            connections.value.map((c) => [c.name, `${DIALECTS[c.o.dialect]} ${c.name}`]),
          )}
          value={connection.name}
          choose={(name) => {
            from.value = name;
            chosen.value = undefined;
          }}
        />
        <p class="quiet small tabular">
          The last {connection.packets.value.length} packets of this connection, both ways
        </p>
      </div>
      <div class="list-and-inspector">
        <VirtualList
          items={connection.packets.value}
          rowHeight={34}
          label="Packets"
          stick
          chosen={chosen.value}
          choose={(packet) => {
            chosen.value = packet;
          }}
          keyOf={(packet) => packet.number}
          empty={
            <Empty icon="scan" title="No packet yet">
              They are kept while this page is open.
            </Empty>
          }
          row={(packet) => <Row packet={packet} dialect={dialect} />}
        />
        {chosen.value !== undefined && (
          <section class="inspector stack tight" aria-label="Packet">
            <div class="row">
              <h2 class="spread">{packetName(chosen.value.raw, dialect)}</h2>
              <button
                type="button"
                class="icon"
                aria-label="Close"
                onClick={() => {
                  chosen.value = undefined;
                }}
              >
                <Icon name="cross" />
              </button>
            </div>
            <Anatomy parts={anatomyOf(chosen.value.raw, dialect)} raw={chosen.value.raw} />
          </section>
        )}
      </div>
    </section>
  );
}

function Row({ packet, dialect }: { readonly packet: Packet; readonly dialect: Dialect }) {
  const octets = octetsOf(packet.raw);
  return (
    <div class={`line ${packet.direction}`}>
      <time class="quiet">{instant(packet.at)}</time>
      <span class="way">{packet.direction === 'in' ? '←' : '→'}</span>
      <span class="packet-name">{packetName(packet.raw, dialect)}</span>
      <span class="value quiet">
        {typeof packet.raw === 'string' ? packet.raw : hexOf(octets.subarray(0, PREVIEW))}
      </span>
      <span class="number quiet small">{bytes(octets.length)}</span>
    </div>
  );
}
