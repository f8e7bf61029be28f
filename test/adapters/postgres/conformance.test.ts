import type { PostgresOptionsInput } from "../../../provider/kinds/postgres";
import { type KindSubject, kindConformance } from "../../../testing/kindConformance";
import { Site, use } from "./support";

/** A port on which nothing listens. */
const NOWHERE = 1;

async function subject(optionsFor: (site: Site) => Partial<PostgresOptionsInput>): Promise<KindSubject> {
  const site = await Site.create();
  const options = optionsFor(site);
  const nowhere = `postgres://nobody:nothing@127.0.0.1:${NOWHERE}/nothing`;
  return {
    kind: site.kind(options),
    another: () => site.kind(options),
    unreachable: () => site.kind({ ...options, port: NOWHERE }, { resolveSecret: async () => nowhere }),
    misdirect: (value) => ({ ...value, port: String(NOWHERE) }),
    secretFields: ["password", "url"],
    falsify: (value) => ({ ...value, password: "wrong-but-also-secret", url: "postgres://wrong:url@nowhere:1/x" }),
    use: async (value) => {
      const client = await use(value);
      return { end: () => client.end().catch(() => undefined) };
    },
    existing: () => site.existing(),
    logged: () => site.logged,
    dispose: () => site.dispose(),
  };
}

const variants: Record<string, (site: Site) => Partial<PostgresOptionsInput>> = {
  "versioned, with an admin that has CREATEROLE only": () => ({}),
  "versioned, with a superuser as admin": () => ({ admin: { from: "env", name: "SUPER_ADMIN" } }),
  "versioned, only inheriting the owner's rights": () => ({ assumeOwner: false }),
  "alternating, with an admin that has CREATEROLE only": (site) => ({
    ...{ strategy: "alternating", users: [`a_${site.id}`, `b_${site.id}`], rolePrefix: undefined },
  }),
};

for (const [variant, optionsFor] of Object.entries(variants)) {
  describe(`PostgreSQL credential kind, conformance: ${variant}`, () => {
    for (const { name, run } of kindConformance({ subject: () => subject(optionsFor) })) it(name, run);
  });
}
