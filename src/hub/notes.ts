// What the towers keep besides mailboxes and queues: small texts by name, a tower's own and shared by all of its clients.

import { Reader } from '../bytes/reader.ts';
import type { Outcome } from '../contract/outcome.ts';
import { type Journal, key, numberOf } from './journal.ts';

/** Notes of one tower. */
const MAX_NOTES = 10_000;

interface Note {
  readonly text: string;
  /** Its number in the store; 0 when there is no store. */
  readonly record: number;
}

export class Notes {
  private readonly byTower = new Map<string, Map<string, Note>>();
  private readonly journal: Journal | undefined;

  constructor(journal: Journal | undefined) {
    this.journal = journal;
  }

  *of(tower: string): Iterable<readonly [name: string, text: string]> {
    for (const [name, note] of this.byTower.get(tower) ?? []) yield [name, note.text];
  }

  /** Keeps a text in place of an earlier one; undefined forgets it. 'quota-exceeded': too many. */
  write(tower: string, name: string, text: string | undefined): Outcome {
    const notes = this.notesOf(tower);
    const earlier = notes.get(name);
    if (earlier?.text === text) return 'ok';
    if (text === undefined) {
      notes.delete(name);
      if (earlier!.record !== 0) this.journal!.remove(key('n', earlier!.record));
      return 'ok';
    }
    if (earlier === undefined && notes.size >= MAX_NOTES) return 'quota-exceeded';
    const record = earlier?.record ?? this.journal?.number() ?? 0;
    notes.set(name, { text, record });
    this.journal?.put(key('n', record), (w) => {
      w.text(tower);
      w.text(name);
      w.text(text);
    });
    return 'ok';
  }

  restore(): void {
    for (const [recordKey, bytes] of this.journal!.scan('n')) {
      const record = numberOf(recordKey, 0);
      this.journal!.reserveNumber(record);
      const r = new Reader(bytes);
      const notes = this.notesOf(r.text());
      notes.set(r.text(), { text: r.text(), record });
    }
  }

  private notesOf(tower: string): Map<string, Note> {
    let notes = this.byTower.get(tower);
    if (notes === undefined) {
      notes = new Map();
      this.byTower.set(tower, notes);
    }
    return notes;
  }
}
