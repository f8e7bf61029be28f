/** What a test asks of an error. */

/** An error with all that belongs to it, as a text. */
export function everythingOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = JSON.stringify(error, Object.getOwnPropertyNames(error));
  return `${own} ${error.cause === undefined ? "" : everythingOf(error.cause)}`;
}

export async function errorOf(action: Promise<unknown>): Promise<Error> {
  try {
    await action;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it should have failed");
}
