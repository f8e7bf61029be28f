/** The options that everything that asks a URL has in common, and what becomes of them at the moment of asking. */
import { readFile } from "node:fs/promises";
import { validateHeaderName, validateHeaderValue } from "node:http";
import { z } from "zod";
import { secretSourceSchema } from "../contracts/secretSource";
import type { AdapterContext, SecretSource } from "../contracts/context";
import { ConfigurationError } from "../lifecycle/errors";
import { describeValue, text } from "./options";

function parseUrl(value: string): URL | undefined {
  return URL.canParse(value) ? new URL(value) : undefined;
}

/** An http or https address. It is kept in the state and shown in reports, so it may not carry credentials. */
export function httpUrl(what: string) {
  return text(what)
    .refine((value) => ["http:", "https:"].includes(parseUrl(value)?.protocol ?? ""), {
      // A text that is not an address may still hold a password: it is not repeated.
      error: `${what} must be a whole address that starts with http:// or https://, such as "https://app.internal/healthz"`,
    })
    .refine((value) => (parseUrl(value)?.username ?? "") === "" && (parseUrl(value)?.password ?? "") === "", {
      error:
        `${what} must not contain a user name or password, because it is kept in the state; ` +
        `send them as a header: { "authorization": { "from": "env", "name": "..." } }`,
    });
}

const secretSource = secretSourceSchema("a header's value");

/** Header name to value. A value that is secret is named by its source, so that it is in no state. */
export const httpHeaders = z.record(
  text("a header's name", 200),
  z.union([text("a header's value", 8192), secretSource], {
    error: 'a header must be a text or a source of a secret, such as { "from": "env", "name": "HEALTH_TOKEN" }',
  }),
);

export type HttpHeaders = Readonly<Record<string, string | SecretSource>>;

/** A PEM file of the authorities to trust, in place of those that Node trusts. */
export const caFile = text("caFile");

/** @returns whether `caFile` would have an effect. */
export function usesTls(url: string): boolean {
  return parseUrl(url)?.protocol === "https:";
}

const statusCode = z
  .int({ error: (issue) => `a status must be a whole number from 100 to 599; it is ${describeValue(issue.input)}` })
  .min(100, { error: (issue) => `a status must be from 100 to 599; it is ${describeValue(issue.input)}` })
  .max(599, { error: (issue) => `a status must be from 100 to 599; it is ${describeValue(issue.input)}` });

const statusWanted = "expectStatus must be a status from 100 to 599 or a list of them that is not empty";
/** One status or several; absent: 200 to 299. */
export const expectStatus = z.union([statusCode, z.array(statusCode).min(1, { error: statusWanted })], {
  error: statusWanted,
});

/** @throws ConfigurationError when a header cannot be sent or its secret is not found. */
export async function resolveHeaders(
  headers: HttpHeaders | undefined,
  context: AdapterContext,
): Promise<Record<string, string>> {
  const resolved: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    const content = typeof value === "string" ? value : await context.resolveSecret(value);
    try {
      validateHeaderName(name);
      validateHeaderValue(name, content);
    } catch {
      throw new ConfigurationError(
        `The header ${describeValue(name)} cannot be sent: its name or value has characters that HTTP does not allow, ` +
          `such as a line break. Nothing was asked. Correct it and run again.`,
      );
    }
    resolved[name] = content;
  }
  return resolved;
}

/** Read anew each time, because authorities are rotated too. @throws ConfigurationError */
export async function readAuthorities(path: string): Promise<string> {
  let pem: string;
  try {
    pem = await readFile(path, "utf8");
  } catch (error) {
    throw new ConfigurationError(
      `caFile ${describeValue(path)} cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown reason"}). ` +
        `Nothing was asked. Name a PEM file that this process may read.`,
    );
  }
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
    throw new ConfigurationError(
      `caFile ${describeValue(path)} holds no PEM certificate ("-----BEGIN CERTIFICATE-----"). Nothing was asked. ` +
        `Name the file with the certificates of the authorities to trust.`,
    );
  }
  return pem;
}
