/** `rotation release`: somebody says that what a rollout may have been using is used no more (rule 4). Audited. */
import type { Entry } from "../lifecycle/decide";
import { StateError } from "../lifecycle/errors";
import type { LedgerState } from "../lifecycle/ledger";
import { chooseReleases, describeMayUse, releaseFrom, type Release, type ReleaseRequest } from "../lifecycle/release";
import { assertNotOlder } from "./secretVersion";
import { Session, type Parts } from "./session";

export interface ReleaseOrder extends ReleaseRequest {
  /** The owner as the Pulumi state names it. */
  readonly owner: { readonly id: string; readonly stack: string };
  readonly entry: Entry;
  /** Why, in the words of whoever asks for it. */
  readonly reason: string;
}

/**
 * @param agree is shown what would be released; nothing is changed unless it says yes.
 * @returns what was released; `null` when it was not agreed to.
 * @throws StateError while another run holds the lease, and for what may not be released; nothing was changed.
 */
export async function release(
  parts: Parts,
  order: ReleaseOrder,
  agree: (releases: readonly Release[]) => Promise<boolean>,
): Promise<readonly Release[] | null> {
  return Session.run(parts, async (session) => {
    assertReleasable(session.ledger, order);
    const releases = chooseReleases(session.ledger, order);
    if (!(await agree(releases))) return null;
    await session.commit(
      (ledger) => releaseFrom(ledger, releases),
      ...releases.map(({ key, what, record }) => ({
        step: "released",
        version: session.ledger.active,
        reason: order.reason,
        detail: { rollout: key, what, mayUse: describeMayUse(record.mayUse) },
      })),
    );
    return releases;
  });
}

function assertReleasable(ledger: LedgerState, { owner, entry }: ReleaseOrder): void {
  if (ledger.status === "torn-down" || ledger.status === "moved")
    throw new StateError(
      `${ledger.secret}: it is ${ledger.status}, so nothing is held back by what rollouts left. Nothing was changed.`,
    );
  if (ledger.owner.id !== owner.id || ledger.owner.stack !== owner.stack)
    throw new StateError(
      `${ledger.secret}: it belongs to stack ${ledger.owner.stack}, not to ${owner.stack}. Nothing was changed. Say it ` +
        `there; or, if this stack is to own the secret from now on, say first: rotation adopt ${ledger.secret} --reason TEXT`,
    );
  assertNotOlder(ledger, entry);
}
