// Pages that are loaded when they are first shown: whoever never opens them never pays for them.

import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect } from 'preact/hooks';
import { Notice } from '../parts/parts.tsx';

export function lazily(load: () => Promise<ComponentType>): ComponentType {
  const loaded = signal<ComponentType | undefined>(undefined);
  const fault = signal('');
  const fetchIt = () =>
    load().then(
      (page) => {
        loaded.value = page;
        fault.value = '';
      },
      (error: Error) => {
        fault.value = error.message;
      },
    );
  return function Lazily() {
    useEffect(() => {
      if (loaded.value === undefined) void fetchIt();
    }, []);
    const Page = loaded.value;
    if (Page !== undefined) return <Page />;
    return (
      <div class="page">
        {fault.value === '' ? (
          <p class="quiet">Loading …</p>
        ) : (
          <Notice kind="bad">
            This page could not be loaded ({fault.value}). The hub may be gone, or newer than this page: load
            it again.
          </Notice>
        )}
      </div>
    );
  };
}
