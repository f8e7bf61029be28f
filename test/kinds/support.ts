/** What the tests of kinds share: a context with a clock of its own, a folder that is removed, and a program. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AdapterContext } from "../../provider/contracts/context";
import { TestClock } from "../support/miniEngine";

export class Site {
  readonly folder = mkdtempSync(join(tmpdir(), "rotation-kinds-"));
  readonly logged: string[] = [];
  readonly clock = new TestClock();
  readonly cancelled = new AbortController();

  get context(): AdapterContext {
    return {
      clock: this.clock,
      signal: this.cancelled.signal,
      log: { info: (line) => void this.logged.push(line), warn: (line) => void this.logged.push(line) },
      resolveSecret: async () => "resolved-secret",
    };
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** A program that runs this JavaScript; `request` is the line that it is given, parsed. */
  program(name: string, body: string): string[] {
    const file = this.path(`${name}.cjs`);
    writeFileSync(
      file,
      `const request = JSON.parse(require("node:fs").readFileSync(0, "utf8"));\nconst folder = ${JSON.stringify(this.folder)};\n${body}\n`,
    );
    return [process.execPath, file];
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Programs are started, and other suites run beside this one. */
export const SLOW_MS = 60_000;
