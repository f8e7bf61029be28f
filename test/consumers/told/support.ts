/** What the tests of consumers that are told have in common. */
import assert from "node:assert/strict";
import { createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** The values of the tests' targets, in no error. */
export async function rejection<E extends Error>(work: Promise<unknown>, type: new (message: string) => E): Promise<E> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof type, String(error));
    assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /s3cret|an0ther/);
    return error;
  }
  return assert.fail("it was expected to fail");
}

/** As docs/consumers.md says that a receiver verifies a call. */
export function verifyAsDocumented(headers: IncomingHttpHeaders, body: string, key: string): boolean {
  const id = String(headers["webhook-id"]);
  const timestamp = String(headers["webhook-timestamp"]);
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= 300)) return false;
  const bytes = key.startsWith("whsec_") ? Buffer.from(key.slice(6), "base64") : Buffer.from(key, "utf8");
  const wanted = createHmac("sha256", bytes).update(`${id}.${timestamp}.${body}`).digest();
  return String(headers["webhook-signature"])
    .split(" ")
    .some((signature) => {
      const [scheme, text = ""] = signature.split(",");
      const given = Buffer.from(text, "base64");
      return scheme === "v1" && given.length === wanted.length && timingSafeEqual(given, wanted);
    });
}
