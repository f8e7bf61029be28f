/** The programs that `npm test consumers` makes are there, and of the version that is pinned. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { serverFile } from "../support/servers";

const SOURCES = join(__dirname, "../servers");

describe("the programs of the consumers' tests", function () {
  this.timeout(60_000);

  for (const [program, sources, module] of [
    ["kube-controller-manager", "kubernetes", "k8s.io/kubernetes"],
    ["kube-scheduler", "kubernetes", "k8s.io/kubernetes"],
    ["kubelet", "kubelet", "k8s.io/kubernetes"],
    ["kwok", "kwok", "sigs.k8s.io/kwok"],
  ] as const)
    it(`${program} is of the version in go.mod`, async () => {
      const { stdout } = await promisify(execFile)(serverFile(`bin/${program}`), ["--version"]);
      const pinned = new RegExp(`^(?:require|\\t) ?${module} v(\\S+)`, "m");
      const version = pinned.exec(readFileSync(join(SOURCES, sources, "go.mod"), "utf8"))?.[1];
      assert.ok(version !== undefined && stdout.includes(`v${version}`), `${stdout}, wanted ${version}`);
    });
});
