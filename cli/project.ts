/** Where the Pulumi project is, and the folder in which its program runs: relative paths in it count from there. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { PulumiError } from "./failures";

const PROJECT_FILES = ["Pulumi.yaml", "Pulumi.yml", "Pulumi.json"];

/** @throws PulumiError when neither the folder nor one above it has a project. */
export function findProjectFile(folder: string): string {
  for (let here = resolve(folder); ; here = dirname(here)) {
    const found = PROJECT_FILES.map((name) => join(here, name)).find((file) => existsSync(file));
    if (found) return found;
    if (here === dirname(here))
      throw new PulumiError(
        `There is no Pulumi.yaml in ${resolve(folder)} or a folder above it. Nothing was changed. Say where the project ` +
          `is, with --cwd.`,
      );
  }
}

/** As the Pulumi CLI does it: `main` is a folder, or a file in the folder. */
export function programFolder(projectFile: string): string {
  const root = dirname(projectFile);
  const main = mainOf(projectFile);
  if (main === undefined) return root;
  const path = resolve(root, main);
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : dirname(path);
}

function mainOf(projectFile: string): string | undefined {
  const text = readFileSync(projectFile, "utf8");
  if (projectFile.endsWith(".json")) return (JSON.parse(text) as { main?: string }).main;
  // One line of YAML at the outermost level: plain, or in quotes.
  const [, quoted, single, plain] =
    /^main:[ \t]*(?:"([^"\n]*)"|'([^'\n]*)'|([^#\n]*?))[ \t]*(?:#.*)?$/m.exec(text) ?? [];
  return quoted ?? single ?? (plain?.trim() || undefined);
}
