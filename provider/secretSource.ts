/** Finds credentials that the rotation itself needs, where the program says they are. */
import { readFile } from "node:fs/promises";
import type { SecretSource } from "./contracts/secretSource";
import type { Payload } from "./contracts/store";
import { ConfigurationError } from "./lifecycle/errors";

/** Reads a key of the stack's configuration; `undefined` where it is not set. */
export type ConfigReader = (key: string) => string | undefined;

/** What a reader of "current" gets from a store with these options, and where that is. */
export type PayloadReader = (
  options: Extract<SecretSource, { from: "store" }>["store"],
) => Promise<{ readonly payload: Payload; readonly location: string }>;

/** @throws ConfigurationError naming the place, never the value. */
export async function resolveSecret(
  source: SecretSource,
  readConfig: ConfigReader,
  readPayload: PayloadReader,
): Promise<string> {
  if (source.from === "store") return fieldOf(source.field, await readPayload(source.store));
  const value = await lookUp(source, readConfig);
  if (value === undefined || value === "") throw new ConfigurationError(missing(source));
  return value;
}

/** One field is what is meant; of several, one has to be named. */
function fieldOf(field: string | undefined, { payload, location }: Awaited<ReturnType<PayloadReader>>): string {
  if (typeof payload === "string") {
    if (field === undefined) return payload;
    throw new ConfigurationError(
      `The secret in ${location} is one text and has no field ${JSON.stringify(field)}. Nothing was changed. Leave ` +
        `"field" out.`,
    );
  }
  const names = Object.keys(payload);
  const name = field ?? (names.length === 1 ? names[0] : undefined);
  const value = name !== undefined && Object.hasOwn(payload, name) ? payload[name] : undefined;
  if (value !== undefined && value !== "") return value;
  throw new ConfigurationError(
    `The secret in ${location} ${field === undefined ? "has several fields, and none is named" : `has no field ${JSON.stringify(field)}, or it is empty`}; ` +
      `there are ${names.join(", ") || "none"}. Nothing was changed. Name one of them as "field".`,
  );
}

type PlainSource = Exclude<SecretSource, { from: "store" }>;

async function lookUp(source: PlainSource, readConfig: ConfigReader): Promise<string | undefined> {
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

function missing(source: PlainSource): string {
  switch (source.from) {
    case "env":
      return `The environment variable ${source.name}, which should hold a credential, is not set where pulumi runs. Nothing was changed. Set it and run again.`;
    case "config":
      return `The configuration key ${source.key}, which should hold a credential, is not set in this stack. Nothing was changed. Say: pulumi config set --secret ${source.key}`;
    case "file":
      return `The file ${source.path}, which should hold a credential, is empty. Nothing was changed.`;
  }
}
