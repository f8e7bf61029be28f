/** The text form of the audit trail: one event a line, as canonical JSON. Pure. */
import { z } from "zod";
import type { AuditEvent } from "../contracts/audit";
import { canonicalJson } from "./chain";

const hash = z.string().regex(/^[0-9a-f]{64}$/);

const auditEvent = z.strictObject({
  schema: z.literal(1),
  identity: z.string(),
  seq: z.int().min(1),
  time: z.string(),
  secret: z.string(),
  step: z.string(),
  version: z.number().nullable(),
  result: z.enum(["ok", "failed", "put-off", "refused"]),
  reason: z.string(),
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  actor: z.strictObject({ user: z.string(), host: z.string(), stack: z.string(), run: z.string() }),
  prev: hash,
  hash,
});

/** Without the line break. */
export function formatLine(event: AuditEvent): string {
  return canonicalJson(event);
}

/**
 * @returns `null` for anything that is not exactly the line that this event is written as. A line with a field twice
 * or another order of fields may say something else to another reader, so it does not pass.
 */
export function parseLine(line: string): AuditEvent | null {
  try {
    const parsed = auditEvent.safeParse(JSON.parse(line));
    return parsed.success && formatLine(parsed.data) === line ? parsed.data : null;
  } catch {
    return null;
  }
}

/**
 * Every event of a trail in the order in which it was written, `null` for each line that cannot be read.
 *
 * Left out as harmless: what follows the last line break (an append that is under way, or that a crash cut off before
 * it was acknowledged), and a line that was cut off but is there in full further down, because the event was recorded
 * again.
 */
export function parseTrail(text: string): readonly (AuditEvent | null)[] {
  const lines = text.split("\n").slice(0, -1);
  const events: (AuditEvent | null)[] = [];
  for (const [index, line] of lines.entries()) {
    const event = parseLine(line);
    if (event === null && isTornCopy(line, lines, index)) continue;
    events.push(event);
  }
  return events;
}

function isTornCopy(fragment: string, lines: readonly string[], index: number): boolean {
  if (fragment === "") return true;
  return lines.slice(index + 1).some((line) => line.length > fragment.length && line.startsWith(fragment));
}
