/** Finds credentials that the rotation itself needs, where the program says they are. */
import { readFile } from "node:fs/promises";
import type { SecretSource } from "./contracts/context";
import { ConfigurationError } from "./lifecycle/errors";

/** Reads a key of the stack's configuration; `undefined` where it is not set. */
export type ConfigReader = (key: string) => string | undefined;

/** @throws ConfigurationError naming the place, never the value. */
export async function resolveSecret(source: SecretSource, readConfig: ConfigReader): Promise<string> {
  const value = await lookUp(source, readConfig);
  if (value === undefined || value === "") throw new ConfigurationError(missing(source));
  return value;
}

async function lookUp(source: SecretSource, readConfig: ConfigReader): Promise<string | undefined> {
  switch (source.from) {
    case "env":
      return process.env[source.name];
    case "config":
      return readConfig(source.key);
    case "file":
      try {
        return (await readFile(source.path, "utf8")).replace(/\r?\n$/, "");
      } catch (error) {
        throw new ConfigurationError(
          `The file ${source.path}, which should hold a credential, cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"}). ` +
            `Nothing was changed. Create it with mode 0600, or name another source.`,
        );
      }
  }
}

function missing(source: SecretSource): string {
  switch (source.from) {
    case "env":
      return `The environment variable ${source.name}, which should hold a credential, is not set where pulumi runs. Nothing was changed. Set it and run again.`;
    case "config":
      return `The configuration key ${source.key}, which should hold a credential, is not set in this stack. Nothing was changed. Say: pulumi config set --secret ${source.key}`;
    case "file":
      return `The file ${source.path}, which should hold a credential, is empty. Nothing was changed.`;
  }
}
