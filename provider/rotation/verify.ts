/** Rule 17: a version is verified by a log-in each time before it is handed out. */
import type { Verification } from "../contracts/kind";
import { NotFoundError } from "../lifecycle/errors";
import { refOf, type VersionRecord } from "../lifecycle/ledger";
import type { Parts } from "./session";

/** @throws UnreachableError when the issuer or the store does not answer: that says nothing about the credential. */
export async function verifyStored(
  { store, kind }: Pick<Parts, "store" | "kind">,
  version: VersionRecord,
): Promise<Verification> {
  try {
    const stored = await store.read(refOf(version));
    const { works, detail } = await kind.verify(stored.value, stored.issued);
    // It becomes part of longer sentences.
    return { works, detail: detail.replace(/\.$/, "") };
  } catch (error) {
    if (error instanceof NotFoundError) return { works: false, detail: "its value is no longer in the store" };
    throw error;
  }
}
