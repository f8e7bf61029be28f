/** How an output names what is handed out: a version, under the epoch of its promotion. */
export interface HandedOut {
  readonly version: number;
  readonly epoch: number;
}

/** `orders-db/v7@3`. */
export function referenceTo(secret: string, { version, epoch }: HandedOut): string {
  return `${secret}/v${version}@${epoch}`;
}

/** The opposite of {@link referenceTo}; `undefined` where it is none. */
export function readReference(reference: string): HandedOut | undefined {
  const [, version, epoch] = /\/v(\d+)@(\d+)$/.exec(reference) ?? [];
  return version === undefined || epoch === undefined ? undefined : { version: Number(version), epoch: Number(epoch) };
}
