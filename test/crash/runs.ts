/** One run on a site: of the engine, or of the `rotation` command. In whatever process. */
import { adopt } from "../../provider/rotation/adopt";
import { release } from "../../provider/rotation/release";
import { Runtime } from "../../provider/runtime";
import type { MiniStack, Properties } from "../support/miniEngine";
import { rolloutArgs, secretArgs, SECRET, storeOf, type Program, type SiteFacts } from "./program";

/** Plain JSON. */
export interface Run extends Program {
  readonly do: "up" | "destroy" | "release" | "adopt";
  /** Only the secret, as with `--target`. */
  readonly onlySecret?: boolean;
  /** A resource of the program between the secret and the rollout fails. */
  readonly nativeFails?: boolean;
}

export async function perform(stack: MiniStack, site: SiteFacts, run: Run): Promise<Error | undefined> {
  switch (run.do) {
    case "up":
      return (
        await stack.up(secretArgs(site, run), rolloutArgs(site, run), {
          targetSecret: run.onlySecret ?? false,
          native: () => {
            if (run.nativeFails) throw new Error("the native resource fails");
          },
        })
      ).error;
    case "destroy":
      return (await stack.destroy()).error;
    case "release":
    case "adopt":
      return command(stack, site, run);
  }
}

/** As `rotation release` and `rotation adopt` do, once they have read the state. */
async function command(stack: MiniStack, site: SiteFacts, run: Run): Promise<Error | undefined> {
  const runtime = new Runtime(() => undefined, stack.clock, { info: () => undefined, warn: () => undefined });
  try {
    const outputs = stack.secret?.outputs ?? {};
    const parts = await runtime.partsOf({ name: SECRET, store: storeOf(site, run.store), ref: "" }, stack.name);
    if (!parts) throw new Error("there is no ledger");
    const entry = outputs as unknown as { version: number; incarnation: number; epoch: number };
    const owner = { id: String(outputs["owner"]), stack: stack.name };
    const reason = "the test says so";
    if (run.do === "release") await release(parts, { owner, entry, reason, inState: new Set() }, async () => true);
    else await adopt(parts, { owner, entry, reason, identity: identityOf(outputs) }, async () => true);
    return undefined;
  } catch (error) {
    return error as Error;
  } finally {
    await runtime.close();
  }
}

function identityOf(outputs: Properties): string {
  return String(outputs["identity"]);
}
