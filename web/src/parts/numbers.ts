// Numbers, sizes and times as people read them.

const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export function count(n: number): string {
  return n < 10_000 ? plain.format(n) : short.format(n);
}

/** `1 message`, `2 messages`. */
export function some(n: number, what: string): string {
  return `${count(n)} ${what}${n === 1 ? '' : 's'}`;
}

export function bytes(n: number): string {
  for (const [unit, size] of [
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ] as const)
    if (n >= size) return `${plain.format(n / size)} ${unit}`;
  return `${n} B`;
}

export function clock(at: number): string {
  return new Date(at).toLocaleTimeString('en-GB');
}

/** With milliseconds: messages come faster than seconds. */
export function instant(at: number): string {
  return `${clock(at)}.${String(at % 1_000).padStart(3, '0')}`;
}

export function span(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

const DAY_MS = 86_400_000;

/** The time, and the day when it was another one. */
export function when(at: number): string {
  return Math.abs(Date.now() - at) < DAY_MS
    ? clock(at)
    : new Date(at).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
}
