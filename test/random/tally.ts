/** How often each promise was looked at: a check that never runs has to be seen. */

/** Every check, in the order in which it is told: the promises of the README by number, and what they rest on. */
export const CHECKS = {
  promise1: "every consumer has a credential that works",
  promise2: "never more than two live versions, and no orphan",
  promise3: "nothing is revoked without a confirmed successor",
  promise4: "no secret value in state, log, error or audit trail",
  promise5: "the audit trail is complete, in order and tamper-evident",
  rest: "every sequence comes to rest after a few clean runs",
  gone: "what is destroyed leaves nothing",
  unused: "evidence of use holds a version back",
  window: "a scheduled rotation begins in its window",
  rule11: "every event is answered",
  rule18: "nothing is counted twice",
  rule21: "a run without the lease does nothing",
  rule24: "a run that finds a ledger older than the world does nothing",
  schema: "a ledger of a newer package is left alone",
  restored: "a ledger came from a backup",
  adopted: "and was taken into account by rotation adopt",
  handedOver: "another stack took the secret over",
} as const;

export class Tally {
  readonly counts: Record<string, number> = {};

  count(what: string, times = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + times;
  }
}

export function addUp(tallies: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum = new Tally();
  for (const tally of tallies) for (const [what, times] of Object.entries(tally)) sum.count(what, times);
  return sum.counts;
}
