// A list of any length of which only the rows in sight exist.

import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

export interface VirtualProps<T> {
  readonly items: readonly T[];
  readonly rowHeight: number;
  readonly row: (item: T, index: number) => ComponentChildren;
  /** Stay at the end while it is in sight. */
  readonly stick?: boolean;
  readonly label: string;
  readonly role?: 'group' | 'listbox';
  readonly empty: ComponentChildren;
}

const SPARE_ROWS = 8;

export function VirtualList<T>({ items, rowHeight, row, stick, label, role, empty }: VirtualProps<T>) {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const [view, setView] = useState({ top: 0, height: 600 });

  useLayoutEffect(() => {
    const element = box.current!;
    const observer = new ResizeObserver(() => setView((v) => ({ ...v, height: element.clientHeight })));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    const element = box.current!;
    if (stick && atEnd.current) element.scrollTop = element.scrollHeight;
  }, [items, stick]);

  const onScroll = () => {
    const element = box.current!;
    atEnd.current = element.scrollTop + element.clientHeight >= element.scrollHeight - rowHeight;
    setView({ top: element.scrollTop, height: element.clientHeight });
  };

  const first = Math.max(0, Math.floor(view.top / rowHeight) - SPARE_ROWS);
  const last = Math.min(items.length, Math.ceil((view.top + view.height) / rowHeight) + SPARE_ROWS);
  return (
    // biome-ignore lint/a11y/useAriaPropsSupportedByRole: both roles take a label
    <div class="virtual" ref={box} onScroll={onScroll} role={role ?? 'group'} aria-label={label} tabIndex={0}>
      {items.length === 0 && <div class="empty">{empty}</div>}
      <div class="spacer" style={{ height: `${items.length * rowHeight}px` }}>
        <div class="window" style={{ transform: `translateY(${first * rowHeight}px)` }}>
          {items.slice(first, last).map((item, i) => row(item, first + i))}
        </div>
      </div>
    </div>
  );
}
