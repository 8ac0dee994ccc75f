// How a handshake that came to nothing is told to whoever dialled.

/** With the alert that ended it, if one did, and whether it was ours. */
export class HandshakeFailed extends Error {
  readonly alert: { readonly code: number; readonly ours: boolean } | undefined;
  constructor(why: string, alert: HandshakeFailed['alert']) {
    super(why);
    this.alert = alert;
  }
}
