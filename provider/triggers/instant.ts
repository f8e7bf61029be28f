/** RFC 3339, without a fraction of a second that is nothing. */
export function describeInstant(at: number): string {
  return new Date(at).toISOString().replace(".000Z", "Z");
}
