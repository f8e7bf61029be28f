/**
 * Increments the counter in a file store's ledger, and says `committed <counter>` after each success.
 * Arguments: folder, number of successes (0 means for ever).
 */
import { createFileStore } from "../../../provider/stores/file";
import { ConflictError } from "../../../provider/lifecycle/errors";
import { makeStored, testContext } from "./support";

async function main([path = "", wanted = "0"]: readonly string[]): Promise<void> {
  const options = { type: "file" as const, path, key: { passphrase: { from: "env" as const, name: "PASS" } } };
  const store = createFileStore(options, testContext());
  for (let successes = 0; wanted === "0" || successes < Number(wanted);) {
    const { body, revision } = await store.load();
    const counter = ((body as { counter: number } | undefined)?.counter ?? 0) + 1;
    // Now and then so slow that the others have long moved on.
    if (Math.random() < 0.1) await new Promise((resolve) => setTimeout(resolve, 50));
    try {
      await store.commit({ counter }, revision);
    } catch (error) {
      if (error instanceof ConflictError) continue;
      throw error;
    }
    successes += 1;
    process.stdout.write(`committed ${counter}\n`);
    if (wanted === "0") await store.putVersion(makeStored(counter, { password: "x".repeat(10_000) }));
  }
}

void main(process.argv.slice(2));
