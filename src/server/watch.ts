// Looks now and then whether files have changed: users, rules, keys and certificates take effect without anybody saying so.

import { stat } from 'node:fs/promises';
import { isUrl } from '../auth/token.ts';
import type { PlannedListener } from './config/listeners.ts';

/**
 * By looking, not by being told: a mounted secret changes by a link far above the file, and network file systems tell nothing. A look is one
 * system call a file.
 */
export class FileWatch {
  private readonly files: () => readonly string[];
  private readonly changed: () => void;
  private readonly timer: NodeJS.Timeout | undefined;
  private seen: Promise<string>;
  private looking = false;

  /** Calls `changed` after one of `files` did; looks every `everyMs`, Infinity: never. */
  constructor(files: () => readonly string[], everyMs: number, changed: () => void) {
    this.files = files;
    this.changed = changed;
    this.seen = this.look();
    this.timer = Number.isFinite(everyMs)
      ? setInterval(() => void this.compare(), everyMs).unref()
      : undefined;
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private async compare(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    const before = await this.seen;
    this.seen = this.look();
    const now = await this.seen;
    this.looking = false;
    if (now !== before) this.changed();
  }

  private async look(): Promise<string> {
    const states = this.files().map((file) =>
      stat(file).then(
        ({ mtimeMs, size, ino }) => `${file} ${mtimeMs} ${size} ${ino}`,
        () => `${file} missing`,
      ),
    );
    return (await Promise.all(states)).join('\n');
  }
}

/** The files that may be replaced while the hub runs. */
export function watchedFiles(listeners: readonly PlannedListener[]): string[] {
  const files = listeners.flatMap(({ auth, tls, coap }) => [
    ...[auth.users, auth.acl, auth.jwt.key, auth.jwt.secretFile, auth.jwt.ca, auth.http.ca],
    isUrl(auth.jwt.jwks) ? undefined : auth.jwt.jwks,
    ...[tls.cert, tls.key, tls.ca, tls.crl, tls.psk, coap.oscore],
    ...(tls.sni ?? []).flatMap((one) => [one.cert, one.key]),
  ]);
  return [...new Set(files.filter((file) => file !== undefined))];
}
