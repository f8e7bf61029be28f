/** What is asked of the `pulumi` command, which knows the backend, the stack and its configuration. */
import { spawnSync } from "node:child_process";
import { PulumiError } from "./failures";

const MAX_OUTPUT_BYTES = 1 << 29;

export class Pulumi {
  /** @param stack as in `pulumi --stack`; absent: the selected one. */
  constructor(
    private readonly folder: string,
    private readonly stack: string | undefined,
  ) {}

  /** @param showSecrets whether what the stack encrypts is decrypted. */
  exportState(showSecrets: boolean): unknown {
    const { code, stdout, stderr } = this.run(["stack", "export", ...(showSecrets ? ["--show-secrets"] : [])]);
    if (code !== 0) throw failed("stack export", stderr);
    return JSON.parse(stdout);
  }

  /** @returns `undefined` where the key is not set. */
  readConfig(key: string): string | undefined {
    const { code, stdout, stderr } = this.run(["config", "get", key]);
    if (code === 0) return stdout.replace(/\r?\n$/, "");
    if (/not found/.test(stderr)) return undefined;
    throw failed("config get", stderr);
  }

  private run(args: readonly string[]): { code: number | null; stdout: string; stderr: string } {
    const { status, stdout, stderr, error } = spawnSync(
      "pulumi",
      [...args, "--non-interactive", ...(this.stack === undefined ? [] : ["--stack", this.stack])],
      { cwd: this.folder, encoding: "utf8", maxBuffer: MAX_OUTPUT_BYTES, stdio: ["ignore", "pipe", "pipe"] },
    );
    if (error)
      throw new PulumiError(
        `The command pulumi could not be run in ${this.folder} (${(error as NodeJS.ErrnoException).code ?? error.message}). ` +
          `Nothing was changed. Put it in the PATH, as for pulumi up.`,
      );
    return { code: status, stdout, stderr };
  }
}

function failed(what: string, stderr: string): PulumiError {
  return new PulumiError(`pulumi ${what} failed. Nothing was changed. It said: ${stderr.trim()}`);
}
