// Certificates for tests, made when they run, by Debian's openssl.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

  issue(commonName: string, names: readonly string[] = [commonName], kind: 'ec' | 'rsa' = 'ec'): Issued {
    const file = `leaf${this.count++}`;
    this.openssl(
      ...['req', '-nodes', '-newkey'],
      ...(kind === 'rsa' ? ['rsa:2048'] : ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']),
      ...['-subj', `/CN=${commonName}`, '-keyout', `${file}.key`, '-out', `${file}.csr`],
    );
    this.sign(file, `subjectAltName=${names.map((n) => `DNS:${n}`).join(',')}`, 'ca');
    return { cert: this.read(`${file}.pem`), key: this.read(`${file}.key`), ca: this.ca };
  }

  /** A certificate whose issuer's certificate, `middle`, this authority has issued; `chain` has both. */
  issueBelow(middle: string, commonName: string, isAuthority: boolean): { leaf: Issued; chain: string } {
    const file = `middle${this.count++}`;
    this.openssl(
      ...['req', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
      ...['-subj', `/CN=${middle}`, '-keyout', `${file}.key`, '-out', `${file}.csr`],
    );
    const constraint = isAuthority ? 'critical,CA:TRUE' : 'CA:FALSE';
    this.sign(file, `basicConstraints=${constraint}`, 'ca');
    const leaf = `leaf${this.count++}`;
    this.openssl(
      ...['req', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
      ...['-subj', `/CN=${commonName}`, '-keyout', `${leaf}.key`, '-out', `${leaf}.csr`],
    );
    this.sign(leaf, `subjectAltName=DNS:${commonName}`, file);
    const issued = { cert: this.read(`${leaf}.pem`), key: this.read(`${leaf}.key`), ca: this.ca };
    return { leaf: issued, chain: issued.cert + this.read(`${file}.pem`) };
  }

  private sign(file: string, extensions: string, issuer: string): void {
    writeFileSync(join(this.folder, `${file}.ext`), `${extensions}\n`);
    this.openssl(
      ...['x509', '-req', '-in', `${file}.csr`, '-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`],
      ...['-CAcreateserial', '-days', '2', '-extfile', `${file}.ext`, '-out', `${file}.pem`],
    );
  }

  /** The list of revoked certificates, PEM, with this one on it. */
  revocations(revoked?: Issued): string {
    if (!existsSync(join(this.folder, 'index.txt'))) {
      writeFileSync(join(this.folder, 'index.txt'), '');
      const text = '[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=2\n';
      writeFileSync(join(this.folder, 'ca.cnf'), text);
    }
    const ca = ['ca', '-config', 'ca.cnf', '-cert', 'ca.pem', '-keyfile', 'ca.key'];
    if (revoked !== undefined) {
      writeFileSync(join(this.folder, 'revoked.pem'), revoked.cert);
      this.openssl(...ca, '-revoke', 'revoked.pem');
    }
    this.openssl(...ca, '-gencrl', '-out', 'crl.pem');
    return this.read('crl.pem');
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
