/** Takes secret values out of text that comes from outside, before it is logged or reported. */
import type { RollTarget } from "../contracts/consumer";

/** Shorter values are left alone: they would blot out ordinary words. */
const MIN_LENGTH = 6;

/**
 * @returns a function that replaces every value of the target, of 6 characters or more, by `***`, also in the usual
 * encodings. What the issuer's public reference names (such as a role) stays readable.
 * @param others further secrets that may be in the text.
 */
export function redactorFor(target: RollTarget, others: readonly string[] = []): (text: string) => string {
  const forms = others.flatMap(formsOf).filter((form) => form.length >= MIN_LENGTH);
  const hidden = [...secretTexts(target), ...forms].sort(longestFirst);
  return (text) => hidden.reduce((rest, value) => rest.replaceAll(value, "***"), text);
}

/** Parts of a credential that say where and as whom. A command may name them: a database is often called like its app. */
const ADDRESSING = new Set(["username", "user", "host", "port", "database", "dbname"]);

/** Whether the text contains one of the target's values as they are, but for those that say where and as whom. */
export function containsSecret(target: RollTarget, text: string): boolean {
  return secretTexts(target, ADDRESSING).some((value) => text.includes(value));
}

function secretTexts(target: RollTarget, except: ReadonlySet<string> = new Set()): string[] {
  const found = new Set<string>();
  for (const secret of target.secrets) {
    const open = new Set(Object.values(secret.issued));
    for (const [field, value] of Object.entries(secret.value)) {
      if (open.has(value) || except.has(field)) continue;
      for (const form of formsOf(value)) if (form.length >= MIN_LENGTH) found.add(form);
    }
  }
  // The longest first, so that a value that contains another one goes as a whole.
  return [...found].sort(longestFirst);
}

const longestFirst = (a: string, b: string) => b.length - a.length;

function formsOf(value: string): string[] {
  const bytes = Buffer.from(value, "utf8");
  const forms = [value, encodeUri(value), JSON.stringify(value).slice(1, -1)];
  if (value.length >= MIN_LENGTH) forms.push(bytes.toString("base64"), bytes.toString("base64url"));
  // Of a value with several lines, such as a key, a single line is secret too.
  if (value.includes("\n")) forms.push(...value.split(/\r?\n/).filter((line) => !line.startsWith("-----")));
  return forms;
}

function encodeUri(value: string): string {
  try {
    return encodeURIComponent(value);
  } catch {
    return value;
  }
}
