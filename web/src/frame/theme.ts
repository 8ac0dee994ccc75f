// Light, dark, or as the system has it. It is a data attribute, so that one set of colours serves both ways of choosing.

import { effect, signal } from '@preact/signals';

export type Theme = 'auto' | 'light' | 'dark';

const KEY = 'waymeet-theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const systemDark = signal(system.matches);

export const theme = signal<Theme>((localStorage.getItem(KEY) as Theme | null) ?? 'auto');
/** What is in sight, for what draws by itself. */
export const dark = signal(false);

const NEXT: Readonly<Record<Theme, Theme>> = { auto: 'light', light: 'dark', dark: 'auto' };

export function nextTheme(): void {
  theme.value = NEXT[theme.value];
  localStorage.setItem(KEY, theme.value);
}

system.addEventListener('change', () => {
  systemDark.value = system.matches;
});

effect(() => {
  dark.value = theme.value === 'dark' || (theme.value === 'auto' && systemDark.value);
  document.documentElement.dataset.theme = dark.value ? 'dark' : 'light';
});
