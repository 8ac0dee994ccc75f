// A payload, seen as its content type says or as the person chooses; and properties beneath it.

import { useSignal } from '@preact/signals';
import type { Pairs } from '../links/link.ts';
import { type PayloadView, show, VIEWS } from '../payload/view.ts';
import { bytes } from './numbers.ts';
import { Choice, Copy } from './parts.tsx';

interface PayloadProps {
  readonly payload: Uint8Array;
  readonly contentType: string | undefined;
}

export function Payload({ payload, contentType }: PayloadProps) {
  const view = useSignal<PayloadView>('auto');
  const seen = show(payload, view.value, contentType);
  return (
    <div class="stack tight">
      <div class="row wrap">
        <Choice
          label="View"
          options={VIEWS}
          value={view.value}
          choose={(v) => {
            view.value = v;
          }}
        />
      </div>
      <div class="row small quiet">
        <span class="spread">
          {view.value === 'auto'
            ? `${contentType ?? 'no content type'}, shown as ${VIEWS[seen.as]}`
            : VIEWS[seen.as]}
          , {bytes(payload.length)}
        </span>
        <Copy text={seen.text} label="Copy the payload" />
      </div>
      {seen.wrong ? (
        <div class="notice bad" role="alert">
          {seen.text}
        </div>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
        <pre class={seen.as === 'hex' ? 'payload dump' : 'payload'} tabIndex={0}>
          {seen.text === '' ? '(empty)' : seen.text}
        </pre>
      )}
    </div>
  );
}

export function Properties({ pairs }: { readonly pairs: Pairs }) {
  if (pairs.length === 0) return <p class="quiet small">No properties.</p>;
  return (
    <dl class="properties">
      {pairs.map(([name, value], i) => [<dt key={`n${i}`}>{name}</dt>, <dd key={`v${i}`}>{value}</dd>])}
    </dl>
  );
}
