// What the auth files have in common: numbered lines, faults that point at them, a suggestion for a misspelt word, safe rewriting.

import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A text file that cannot be used: every fault in it, each a line `file:line: message`. */
export class TextFault extends Error {
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.name = 'TextFault';
    this.faults = faults;
  }
}

export interface Line {
  readonly number: number;
  readonly text: string;
}

/** The lines that say something: trimmed, without blank ones and `#` comments. */
export function meaningfulLines(text: string): Line[] {
  const lines: Line[] = [];
  text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .forEach((line, i) => {
      const trimmed = line.trim();
      if (trimmed !== '' && !trimmed.startsWith('#')) lines.push({ number: i + 1, text: trimmed });
    });
  return lines;
}

/** Reads `file`; rejects with an Error that says what it is for and how to make it. */
export async function readText(file: string, purpose: string, fix: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (why) {
    throw new Error(`cannot read the ${purpose} ${file} (${(why as Error).message}): ${fix}`, { cause: why });
  }
}

/** Replaces `file` as a whole, readable by its owner alone: after a crash it is the old one or the new one. */
export async function replaceText(file: string, text: string): Promise<void> {
  const next = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    const handle = await open(next, 'wx', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(next, file);
  } catch (why) {
    await rm(next, { force: true });
    throw new Error(
      `cannot write ${file} (${(why as Error).message}): check that this user may write in ${dirname(file)}`,
      {
        cause: why,
      },
    );
  }
}

/** `; did you mean …?` when one of `words` is at most two edits away, else ''. */
export function suggestion(word: string, words: readonly string[]): string {
  let best = '';
  let least = 2;
  for (const candidate of words) {
    const distance = edits(word.toLowerCase(), candidate);
    // Of equally near ones the longest: letters are more often left out than added (`allw`: `allow`, not `all`).
    const nearer = distance < least || (distance === least && candidate.length > best.length);
    if (nearer && distance < candidate.length) {
      best = candidate;
      least = distance;
    }
  }
  return best === '' ? '' : `; did you mean \`${best}\`?`;
}

/** Levenshtein's distance. */
function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
