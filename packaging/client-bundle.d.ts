/** The files that a page loads. */
export function bundle(o: { write: boolean; entry?: string }): Promise<readonly unknown[]>;
