// Installs a Debian package that a peer comes from: only root can, and only where there is apt.

import { spawnSync } from 'node:child_process';

export function aptInstall(name: string): void {
  if (process.getuid?.() !== 0) return;
  const apt = (...args: string[]) =>
    spawnSync('apt-get', args, {
      stdio: 'ignore',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  if (apt('--version').status !== 0) return;
  const wanted = ['install', '-y', '--no-install-recommends', name];
  if (apt(...wanted).status === 0) return;
  apt('update');
  apt(...wanted);
}
