/** The test of the crash matrix's own measure: that it finds every call in the source that causes a side effect. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { takeCensus } from "../crash/census";

describe("the census of side effects", function () {
  this.timeout(120_000);
  const added = `
import type { AuditSink } from "../contracts/audit";
import type { CredentialKind } from "../contracts/kind";
import type { SecretStore } from "../contracts/store";
import { throughSeam } from "./effects";
import type { Session } from "./session";

export async function addedStep(session: Session): Promise<void> {
  await session.kind.revoke({}, { terminateSessions: true });
  await session.commit(() => undefined, { step: "made-up", version: null, reason: "" });
  for (const store of [...session.replicas, session.store]) await store.retire({ version: 1, token: "" });
}
export async function ownSeam(session: Session, store: SecretStore): Promise<void> {
  const other = throughSeam(store, "other", "SecretStore", session.fence);
  await other.clearCurrent((await other.load()).revision);
}
export async function pastTheSeam(store: SecretStore): Promise<void> {
  await store.retire({ version: 1, token: "" });
}
export const asValue = (kind: CredentialKind) => kind.disable;
export const takenOut = ({ record }: AuditSink) => record;
`;
  const contract = "provider/contracts/kind.ts";
  let census: ReturnType<typeof takeCensus>;
  before(() => {
    const source = readFileSync(join(resolve(__dirname, "../.."), contract), "utf8");
    const longer = source.replace("  /** Who uses the credential now. */", "  reset(): Promise<void>;\n$&");
    assert.notEqual(longer, source);
    census = takeCensus({ "provider/rotation/added.ts": added, [contract]: longer });
  });

  it("finds a call that was added, whether on an adapter or by a session", () => {
    const found = census.sites.filter((site) => site.file === "provider/rotation/added.ts").map((site) => site.name);
    assert.deepEqual(found, [
      "added.ts addedStep: issuer.revoke",
      "added.ts addedStep: ledger.commit (made-up)",
      "added.ts addedStep: store.retire",
      "added.ts ownSeam: store.clearCurrent",
    ]);
  });

  it("says where each is, to the column, as a stack would", () => {
    const site = census.sites.find(({ name }) => name === "added.ts addedStep: issuer.revoke");
    const line = added.split("\n")[(site?.line ?? 0) - 1] ?? "";
    assert.match(line.slice((site?.column ?? 0) - 1), /^revoke\(/);
  });

  it("finds a call that does not pass the seam, and a method that is handed on", () => {
    const here = census.problems.map((problem) => problem.replace(/:\d+:/, ":"));
    assert.deepEqual(here.slice(1), [
      "provider/rotation/added.ts: store.retire does not pass the seam",
      "provider/rotation/added.ts: kind.disable is not called there, so nobody can say who calls it",
      "provider/rotation/added.ts: record is not called there, so nobody can say who calls it",
    ]);
  });

  it("wants to know of a method that was added to a contract whether it has side effects", () => {
    assert.equal(census.problems[0], "CredentialKind.reset: nobody has said whether it has side effects");
  });

  it("gives every call a name of its own", () => {
    const names = census.sites.map((site) => site.name);
    assert.deepEqual(
      names.filter((name, index) => names.indexOf(name) !== index),
      [],
    );
  });
});
