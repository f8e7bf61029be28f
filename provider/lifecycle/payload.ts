/**
 * What readers of a secret get: the fields of its value, by themselves or through a template.
 *
 * A template is data, so that it can stand in a program's inputs: `${field}` is replaced by the field's text,
 * `${field:uri}` by its percent-encoding, `${field:json}` by what stands between the quotes of a JSON text, and
 * `${field:base64}` by its base64.
 */
import { z } from "zod";
import { ConfigurationError } from "./errors";
import type { SecretValue } from "./values";

/** Named fields, or one text. */
export type Payload = Readonly<Record<string, string>> | string;

/** For `kubernetes.io/tls` and `kubernetes.io/basic-auth`, and what readers of AWS's database secrets expect. */
const NAMED = {
  fields: null,
  rds: {
    engine: "postgres",
    host: "${host}",
    port: "${port}",
    username: "${username}",
    password: "${password}",
    dbname: "${database}",
  },
  "basic-auth": { username: "${username}", password: "${password}" },
  tls: { "tls.crt": "${chain}", "tls.key": "${key}" },
} as const satisfies Record<string, Readonly<Record<string, string>> | null>;

const NAMES = Object.keys(NAMED) as [keyof typeof NAMED, ...(keyof typeof NAMED)[]];
const ENCODINGS = {
  uri: encodeURIComponent,
  json: (text: string) => JSON.stringify(text).slice(1, -1),
  base64: (text: string) => Buffer.from(text, "utf8").toString("base64"),
} as const;
const PLACEHOLDER = /\$\{([^}:]*)(?::([^}]*))?\}/g;

const allowed = (...more: string[]) => {
  const forms = [...NAMES.map((name) => JSON.stringify(name)), '{ fields: { name: "template", … } }', ...more];
  return (
    `format must be one of ${forms.slice(0, -1).join(", ")} or ${forms.at(-1)}, ` +
    "where a template holds ${field}, ${field:uri}, ${field:json} or ${field:base64}"
  );
};
const FIELDS_ALLOWED = allowed();
const ALLOWED = allowed('{ text: "template" }');

/** For stores that keep a text: anything but a name of a format, a template of fields or one of a text is refused. */
export const payloadFormat = z.union([z.enum(NAMES), templateFields(ALLOWED), textTemplate(ALLOWED)], {
  error: ALLOWED,
});

/** For stores whose secrets are always named fields. */
export const fieldsFormat = z.union([z.enum(NAMES), templateFields(FIELDS_ALLOWED)], { error: FIELDS_ALLOWED });

export type PayloadFormat = z.infer<typeof payloadFormat>;
export type FieldsFormat = z.infer<typeof fieldsFormat>;

/**
 * @param format absent: the fields as they are.
 * @throws ConfigurationError when a template names a field that the value has not.
 */
export function renderFields(value: SecretValue, format: FieldsFormat = "fields"): Readonly<Record<string, string>> {
  const fields = typeof format === "string" ? NAMED[format] : format.fields;
  if (fields === null) return value;
  return Object.fromEntries(Object.entries(fields).map(([name, template]) => [name, fill(template, value)]));
}

/** As {@link renderFields}, or one text. */
export function renderPayload(value: SecretValue, format: PayloadFormat = "fields"): Payload {
  if (typeof format === "object" && "text" in format) return fill(format.text, value);
  return renderFields(value, format);
}

/**
 * The names that readers find, as far as the format says: `undefined` where they are those of the value, `null` where
 * there are none because readers get one text.
 */
export function fieldNames(format: PayloadFormat = "fields"): readonly string[] | null | undefined {
  if (typeof format === "object") return "text" in format ? null : Object.keys(format.fields);
  const fields = NAMED[format];
  return fields === null ? undefined : Object.keys(fields);
}

/** As one text, for stores that keep one: the fields as JSON. */
export function payloadText(payload: Payload): string {
  return typeof payload === "string" ? payload : JSON.stringify(payload);
}

/** The opposite of {@link payloadText}, also for what others have written: an object of texts, numbers and so on is fields. */
export function parsePayload(text: string): Payload {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return text;
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return text;
  return Object.fromEntries(
    Object.entries(parsed).map(([name, field]) => [name, typeof field === "string" ? field : JSON.stringify(field)]),
  );
}

function templateFields(error: string) {
  const template = z.string().refine(hasKnownEncodings, { error });
  const fields = z.record(z.string().min(1), template).refine((all) => Object.keys(all).length > 0, { error });
  return z.strictObject({ fields });
}

function textTemplate(error: string) {
  return z.strictObject({ text: z.string().min(1, { error }).refine(hasKnownEncodings, { error }) });
}

function hasKnownEncodings(template: string): boolean {
  return [...template.matchAll(PLACEHOLDER)].every(([, , encoding]) => encoding === undefined || encoding in ENCODINGS);
}

function fill(template: string, value: SecretValue): string {
  return template.replace(PLACEHOLDER, (_placeholder, field: string, encoding?: keyof typeof ENCODINGS) => {
    const text = Object.hasOwn(value, field) ? value[field] : undefined;
    if (text === undefined)
      throw new ConfigurationError(
        `The store's format names the field ${JSON.stringify(field)}, which this secret does not have; it has ` +
          `${Object.keys(value).join(", ")}. Nothing was issued. Change the format and run again.`,
      );
    return encoding === undefined ? text : ENCODINGS[encoding](text);
  });
}
