/** What the user configures for a PostgreSQL credential, and what a change of it means. */
import { z } from "zod";
import { secretSourceSchema } from "../../contracts/secretSource";
import type { InputPolicy } from "../../contracts/kind";
import { parseDuration } from "../../lifecycle/duration";
import { ConfigurationError } from "../../lifecycle/errors";

/** PostgreSQL cuts longer names off silently; two different names could then be the same role. */
export const MAX_NAME_BYTES = 63;
/** Leaves room for `_v<version>_<rotation>` behind it. */
export const MAX_PREFIX_LENGTH = 40;

const DEFAULT_CONNECT_TIMEOUT = "10s";

function shown(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}

/** Message of a check: what it is, what was given, what is allowed. zod adds the path. */
function expected(allowed: string) {
  return (issue: { readonly input?: unknown }) => `is ${shown(issue.input)}, but must be ${allowed}`;
}

function text(allowed: string) {
  return z.string({ error: expected(allowed) }).min(1, { error: expected(allowed) });
}

function roleName(what: string) {
  const allowed = `${what}, a role name of 1 to ${MAX_NAME_BYTES} bytes that does not start with "pg_"`;
  return text(allowed)
    .refine((name) => Buffer.byteLength(name) <= MAX_NAME_BYTES && !/^pg_/i.test(name), { error: expected(allowed) })
    .refine((name) => !name.includes("\0"), { error: () => `must not contain a NUL character` });
}

function duration(allowed: string, minimumMs: number, maximumMs: number) {
  return text(allowed).refine(
    (value) => {
      const ms = parseDuration(value);
      return ms !== undefined && ms >= minimumMs && ms <= maximumMs;
    },
    { error: expected(allowed) },
  );
}

const secretSource = secretSourceSchema("the admin's credential");

const tls = z.strictObject(
  {
    /**
     * `verify`: TLS with certificate and host name checked. `disable`: plain text. There is nothing between: TLS
     * without a check of the certificate protects from nobody who can redirect the connection.
     */
    mode: z.enum(["verify", "disable"], { error: expected(`"verify" or "disable"`) }),
    /** PEM file with the certificate authorities to trust. Default: those of Node.js. */
    caFile: text("the path of a PEM file").optional(),
  },
  { error: expected(`{ mode: "verify" | "disable", caFile? }`) },
);

const ROLE_LIST = "a list of role names";
const BOOLEAN = "true or false";
const PORT = "a port number from 1 to 65535";
const PREFIX = `1 to ${MAX_PREFIX_LENGTH} lower-case letters, digits and "_", starting with a letter, not with "pg_"`;

const shape = z.strictObject(
  {
    type: z.literal("postgresRole", { error: expected(`"postgresRole"`) }),
    /** Host name, IP address, or the folder of a Unix socket (starts with `/`). Consumers get it too. */
    host: text("a host name, an IP address or the folder of a Unix socket"),
    /** Default 5432. */
    port: z
      .int({ error: expected(PORT) })
      .min(1, { error: expected(PORT) })
      .max(65_535, { error: expected(PORT) })
      .default(5432),
    /** The database that consumers use. */
    database: text("the name of the database that consumers use"),
    /**
     * Where the admin's credential is found. It resolves to a `postgres://` URL, or, with `adminUser`, to a password.
     * Host, port and database of the URL, where it has them, are used for the admin's connection only.
     */
    admin: secretSource,
    adminUser: roleName("the admin").optional(),
    /** The NOLOGIN role that owns the data and has the grants. It must exist. */
    owner: roleName("the owner"),
    /** Further group roles that each version is a member of. They must exist. Default: none. */
    memberOf: z.array(roleName("a group role"), { error: expected(ROLE_LIST) }).default([]),
    /**
     * Whether sessions act as the owner (`ALTER ROLE … SET role`), so that what they create belongs to it. With
     * `false` a version only inherits rights, and what it creates is its own until it is retired. Default true.
     */
    assumeOwner: z.boolean({ error: expected(BOOLEAN) }).default(true),
    /** Start of the role names of versions. Default: made from the secret's name. */
    rolePrefix: z
      .string({ error: expected(PREFIX) })
      .regex(new RegExp(`^(?!pg_)[a-z][a-z0-9_]{0,${MAX_PREFIX_LENGTH - 1}}$`), { error: expected(PREFIX) })
      .optional(),
    /**
     * `versioned`: a role of its own for each version. `alternating`: two fixed user names take turns, for poolers
     * and proxies that need to know user names beforehand. Default `versioned`.
     */
    strategy: z
      .enum(["versioned", "alternating"], { error: expected(`"versioned" or "alternating"`) })
      .default("versioned"),
    /** The two user names, with `alternating` only. */
    users: z
      .tuple([roleName("the first user"), roleName("the second user")], {
        error: expected("a list of exactly two user names"),
      })
      .optional(),
    /**
     * Dead-man's switch: how long after issuing the server itself refuses the password (`VALID UNTIL`). It must be
     * longer than the longest time between two rotations. Default: no limit. At least one minute.
     */
    validFor: duration("a duration of at least one minute, such as 120d", 60_000, Number.MAX_SAFE_INTEGER).optional(),
    /**
     * Where refused log-ins are seen, so that a role which somebody misses is enabled again. `serverLog`: in the
     * server's JSON log, read over SQL. Default: nowhere.
     */
    refusedLogins: z
      .strictObject({ from: z.literal("serverLog") }, { error: expected(`{ from: "serverLog" }`) })
      .optional(),
    /** Default: `verify`, but `disable` where the host is loopback or a Unix socket. */
    tls: tls.optional(),
    /** Longest time until a connection is usable. Default 10s, from 100ms to 2m. */
    connectTimeout: duration("a duration from 100ms to 2m", 100, 120_000).default(DEFAULT_CONNECT_TIMEOUT),
  },
  { error: (issue) => (issue.code === "invalid_type" ? `must be an object` : undefined) },
);

/** Options of the kind, strict: an unknown key is an error. */
export const postgresOptions = shape.superRefine((options, context) => {
  const complain = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
  if (options.strategy === "alternating" && !options.users) {
    complain("users", `is missing: the strategy "alternating" needs the two user names, users: [a, b]`);
  }
  if (options.strategy === "versioned" && options.users) {
    complain("users", `is only for the strategy "alternating"; leave it out, or set strategy: "alternating"`);
  }
  if (options.strategy === "alternating" && options.rolePrefix !== undefined) {
    complain("rolePrefix", `is only for the strategy "versioned"; with "alternating", users has the names`);
  }
  if (options.users && options.users[0] === options.users[1]) {
    complain("users", `has ${shown(options.users[0])} twice; two different users must take turns`);
  }
  for (const [path, name] of [
    ["owner", options.owner],
    ["adminUser", options.adminUser],
  ] as const) {
    if (name !== undefined && options.users?.includes(name)) {
      complain("users", `has ${shown(name)}, which is the ${path} too; give the users roles of their own`);
    }
  }
  if (options.owner === options.adminUser) {
    complain("owner", `is ${shown(options.owner)}, the admin itself; make a NOLOGIN role that owns the data`);
  }
  if (options.memberOf.includes(options.owner)) {
    complain("memberOf", `has the owner ${shown(options.owner)}; each version is a member of it anyway`);
  }
  if (options.tls?.mode === "disable" && options.tls.caFile !== undefined) {
    complain("tls", `has a caFile, but mode "disable" uses no certificate; leave one of them out`);
  }
});

export type PostgresOptionsInput = z.input<typeof postgresOptions>;
export type PostgresOptions = z.output<typeof postgresOptions>;

/** @throws ConfigurationError that names every wrong option. */
export function parsePostgresOptions(input: unknown): PostgresOptions {
  const result = postgresOptions.safeParse(input);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => {
    const place = issue.path.length > 0 ? issue.path.join(".") : "the options";
    if (issue.code === "unrecognized_keys") {
      return `${place} may not have ${issue.keys.map(shown).join(", ")}; see docs/kinds/postgres.md for what it may`;
    }
    return `${place} ${issue.message}`;
  });
  throw new ConfigurationError(`The PostgreSQL credential is configured wrongly: ${lines.join("; ")}.`);
}

/** What a change of each option means: whatever a consumer's credential is made of needs a new version. */
export const inputPolicy: Record<string, InputPolicy> = {
  type: "refuse",
  host: "rotate",
  port: "rotate",
  database: "rotate",
  owner: "rotate",
  memberOf: "rotate",
  assumeOwner: "rotate",
  rolePrefix: "rotate",
  users: "rotate",
  validFor: "rotate",
  admin: "in-place",
  adminUser: "in-place",
  tls: "in-place",
  refusedLogins: "in-place",
  connectTimeout: "in-place",
  strategy: "refuse",
};
