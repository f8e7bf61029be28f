// The Pulumi CLI from its Go modules, for machines that reach package registries but not the download.
// go.mod and go.sum in scripts/pulumi/ pin every module. The Node language host comes from sdk/v3 3.68.0, the last
// one it was part of: it runs with today's CLI and SDK, but knows nothing of newer requests (`pulumi install`).
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { goBuild } from "./go-build.mjs";

/** Raise it when another build makes another result, so that what was built before is not used any more. */
export const RECIPE = 1;

const OTHERWISE = "install the Pulumi CLI: https://www.pulumi.com/docs/install/";

/**
 * @param {string} folder an empty one; afterwards it holds `pulumi` and its companions
 * @param {string} version
 * @param {{ background: boolean, live: boolean }} options as for any Go build
 */
export async function buildPulumi(folder, version, options) {
  await goBuild({
    what: "Building Pulumi's Node language host",
    typical: "half a minute",
    sources: "scripts/pulumi/language",
    program: "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
    output: join(folder, "pulumi-language-nodejs"),
    otherwise: OTHERWISE,
    ...options,
  });
  await goBuild({
    what: "Building the Pulumi CLI",
    typical: "about 8 minutes on two cores",
    sources: "scripts/pulumi/cli",
    program: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    output: join(folder, "pulumi"),
    linkerFlags: `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${version}`,
    otherwise: OTHERWISE,
    ...options,
  });
  await writeScript(join(folder, "pulumi-resource-pulumi-nodejs"), "dynamic-provider");
  await writeScript(join(folder, "pulumi-analyzer-policy"), "run-policy-pack");
}

/**
 * The release has scripts like these. `exec`, so that a signal that the CLI sends reaches Node and Node's parent is
 * the CLI. The CLI starts them in the program's folder, so that the program's own @pulumi/pulumi is found.
 */
async function writeScript(file, command) {
  const script = `#!/bin/sh
main=$(node -e 'process.stdout.write(require.resolve("@pulumi/pulumi/cmd/${command}"))') || exit 1
exec node "$main" "$@"
`;
  await writeFile(file, script);
  await chmod(file, 0o755);
}
