// Certificates for tests, made when they run, by Debian's openssl.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Issued {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** A certificate authority of its own for every test file. */
export class Authority {
  private readonly folder = mkdtempSync(join(tmpdir(), 'authority-'));
  private count = 0;
  readonly ca: string;

  constructor(name = 'Test CA') {
    this.openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', `/CN=${name}`, '-keyout', 'ca.key', '-out', 'ca.pem'],
    );
    this.ca = this.read('ca.pem');
  }

  issue(commonName: string, names: readonly string[] = [commonName]): Issued {
    const file = `leaf${this.count++}`;
    this.openssl(
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-subj', `/CN=${commonName}`, '-keyout', `${file}.key`, '-out', `${file}.csr`],
    );
    writeFileSync(
      join(this.folder, `${file}.ext`),
      `subjectAltName=${names.map((n) => `DNS:${n}`).join(',')}\n`,
    );
    this.openssl(
      ...[
        'x509',
        '-req',
        '-in',
        `${file}.csr`,
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca.key',
        '-CAcreateserial',
        '-days',
        '2',
      ],
      ...['-extfile', `${file}.ext`, '-out', `${file}.pem`],
    );
    return { cert: this.read(`${file}.pem`), key: this.read(`${file}.key`), ca: this.ca };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  private read(file: string): string {
    return readFileSync(join(this.folder, file), 'utf8');
  }

  private openssl(...words: string[]): void {
    execFileSync('openssl', words, { cwd: this.folder, stdio: 'pipe' });
  }
}
