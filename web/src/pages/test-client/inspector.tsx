// One message whole: its payload in several views, its properties, and its packet field by field.

import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { hexOf } from '../../../../src/admin/anatomy/part.ts';
import { anatomyOf } from '../../anatomy/anatomy.ts';
import { Anatomy } from '../../anatomy/view.tsx';
import type { Line } from '../../client/lines.ts';
import { change } from '../../client/publishing.ts';
import { DIALECTS } from '../../links/link.ts';
import { Icon } from '../../parts/icons.tsx';
import { bytes, instant } from '../../parts/numbers.ts';
import { Choice, Copy } from '../../parts/parts.tsx';
import { Payload, Properties } from '../../parts/payload.tsx';
import { textOf } from '../../payload/view.ts';

const tab = signal<'payload' | 'properties' | 'packet'>('payload');

interface Props {
  readonly line: Line;
  close(): void;
}

export function Inspector({ line, close }: Props) {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape') close();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  return (
    <section class="inspector stack tight" aria-label="Message">
      <div class="row top">
        <h2 class="spread">
          <code>{line.topic}</code>
        </h2>
        <Copy text={line.topic} label="Copy the topic" />
        <button
          type="button"
          class="icon"
          aria-label="Publish again"
          title="Take it to the publish form"
          onClick={() => again(line)}
        >
          <Icon name="again" />
        </button>
        <button type="button" class="icon" aria-label="Close" title="Esc" onClick={close}>
          <Icon name="cross" />
        </button>
      </div>
      <p class="row wrap small">
        <span class="badge">{DIALECTS[line.dialect]}</span>
        <span class="badge">QoS {line.qos}</span>
        {line.retain && <span class="badge good">retained</span>}
        <span class="quiet">
          {line.direction === 'in' ? 'came by' : 'sent by'} {line.connection}, {instant(line.at)},{' '}
          {bytes(line.payload.length)}
        </span>
      </p>
      <Choice
        label="Part"
        options={{
          payload: 'Payload',
          properties: `Properties${line.properties.length > 0 ? ` ${line.properties.length}` : ''}`,
          packet: 'Packet anatomy',
        }}
        value={tab.value}
        choose={(v) => {
          tab.value = v;
        }}
      />
      {tab.value === 'payload' && <Payload payload={line.payload} contentType={line.contentType} />}
      {tab.value === 'properties' && <Properties pairs={line.properties} />}
      {tab.value === 'packet' && <Anatomy parts={anatomyOf(line.raw, line.dialect)} raw={line.raw} />}
    </section>
  );
}

function again(line: Line): void {
  const text = textOf(line.payload);
  change({
    topic: line.topic,
    payload: text ?? hexOf(line.payload),
    format: text === undefined ? 'hex' : 'text',
    contentType: line.contentType ?? '',
  });
}
