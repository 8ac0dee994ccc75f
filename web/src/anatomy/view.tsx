// A packet's octets in colour beside the names of its fields: pointing at one shows the other.

import { useSignal } from '@preact/signals';
import type { Part } from '../../../src/admin/anatomy/part.ts';
import type { Raw } from '../links/link.ts';
import { dump } from '../payload/view.ts';
import { octetsOf as octetsOfRaw } from './anatomy.ts';

/** Octets of one field that are drawn; the dump below has all. */
const MAX_DRAWN = 96;

interface Props {
  readonly parts: readonly Part[];
  readonly raw: Raw;
}

export function Anatomy({ parts, raw }: Props) {
  const pointed = useSignal(-1);
  const point = (i: number) => ({
    onMouseEnter: () => {
      pointed.value = i;
    },
    onMouseLeave: () => {
      pointed.value = -1;
    },
  });
  const octets = octetsOfRaw(raw);
  return (
    <div class="anatomy stack tight">
      <div class="octets" aria-hidden="true">
        {parts.map((part, i) => (
          <span key={i} class={`part kind-${part.kind}${pointed.value === i ? ' on' : ''}`} {...point(i)}>
            {hexCells(part.octets)}
          </span>
        ))}
      </div>
      <table class="fields">
        <thead class="hidden-text">
          <tr>
            <th>Field</th>
            <th>Value</th>
            <th>Octets</th>
          </tr>
        </thead>
        <tbody>
          {parts.map((part, i) => (
            <tr key={i} class={`kind-${part.kind}${pointed.value === i ? ' on' : ''}`} {...point(i)}>
              <th scope="row">{part.name}</th>
              <td>{part.value}</td>
              <td class="number">{part.octets.length}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <details>
        <summary>All {octets.length} octets</summary>
        <pre class="payload dump">{dump(octets)}</pre>
      </details>
    </div>
  );
}

function hexCells(octets: Uint8Array) {
  const cells = [...octets.subarray(0, MAX_DRAWN)].map((o, i) => (
    <b key={i}>{o.toString(16).padStart(2, '0')}</b>
  ));
  return octets.length > MAX_DRAWN ? [...cells, <b key="more">+{octets.length - MAX_DRAWN}</b>] : cells;
}
