// Programs from pinned Go modules.
import { join } from "node:path";
import { ROOT } from "./paths.mjs";
import { Problem } from "./problem.mjs";
import { run } from "./processes.mjs";
import { showProgress } from "./say.mjs";

const BUILD_LIMIT_MS = 45 * 60_000;

export const GET_GO = "install Go 1.26 or newer: https://go.dev/doc/install (macOS: `brew install go`)";

export async function hasGo() {
  try {
    return (await run("go", ["version"])).code === 0;
  } catch {
    return false;
  }
}

/**
 * @param {{ what: string, typical: string, sources: string, program: string, output: string, linkerFlags?: string,
 *   background: boolean, live: boolean, otherwise?: string }} build `what`: such as "Building etcd"; `typical`: how long
 *   it takes; `sources`: folder of go.mod and go.sum in the checkout; `program`: the package to build; `output`: the file
 *   to make; `background`: it gives way to other work; `live`: nothing else prints meanwhile; `otherwise`: what a person
 *   could do instead, for the error
 */
export async function goBuild(build) {
  const { what, typical, sources, program, output, linkerFlags = "-s -w", background, live, otherwise } = build;
  const stop = showProgress(what, { typical, alone: live });
  const {
    code,
    output: said,
    timedOut,
  } = await run("go", ["build", "-trimpath", "-buildvcs=false", "-ldflags", linkerFlags, "-o", output, program], {
    cwd: join(ROOT, sources),
    // What the user has set for projects of their own must not change this build.
    env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off" },
    limitMs: BUILD_LIMIT_MS,
    background,
  }).finally(stop);
  if (code === 0) return;
  throw new Problem(`${what} ${reason({ code, said, timedOut, otherwise })}`);
}

function reason({ code, said, timedOut, otherwise }) {
  if (timedOut) {
    return (
      "took longer than 45 minutes and was ended. Run it again on a less busy machine (what is compiled already is " +
      `kept)${otherwise ? `, or ${otherwise}` : ""}.`
    );
  }
  // Also what the system does when memory runs out.
  if (code === null) return "was ended by a signal before it was done.";
  const lastLines = said.trim().split("\n").slice(-20).join("\n");
  return `failed. Go 1.26 or newer and the Go module proxy are needed; Go said:\n${lastLines}`;
}
