/**
 * Run under a limit on the size of files, which stands for a full disk: what is small still fits, a large value does
 * not. Arguments: folder. Says what became of each attempt, as `<what>: <name of the error>: <message>`.
 */
import { createFileStore } from "../../../provider/stores/file";
import { makeStored, testContext } from "./support";

async function main([path = ""]: readonly string[]): Promise<void> {
  const options = { type: "file" as const, path, key: { passphrase: { from: "env" as const, name: "PASS" } } };
  const store = createFileStore(options, testContext());
  const { revision } = await store.load();
  await attempt("put", () => store.putVersion(makeStored(2, { password: "S3CRET".repeat(20_000) })));
  await attempt("commit", () => store.commit({ large: "x".repeat(120_000) }, revision));
  await attempt("small commit", () => store.commit({ small: true }, revision));
}

async function attempt(what: string, action: () => Promise<unknown>): Promise<void> {
  const outcome = await action().then(
    () => "worked",
    (error: unknown) => String(error),
  );
  process.stdout.write(`${what}: ${outcome}\n`);
}

void main(process.argv.slice(2));
