/** An application that opens a connection for each request. Run: `tsx apps/perRequest.ts FOLDER PORT` */
import { Client } from "pg";
import { QUERY, type Answer } from "../data";
import { clientConfig, serve, type App, type Credential } from "./app";

let current: Credential | undefined;
/** One entry for each open connection. */
const open = new Set<{ readonly fingerprint: string }>();

const app: App = {
  name: "per-request",
  async use(credential) {
    // The real work, not `SELECT 1`: a credential may be able to log in and yet lack a right.
    await query(credential, 1);
    current = credential;
  },
  async ask(order) {
    if (!current) throw new Error("no credential was delivered yet");
    const credential = current;
    return { answer: await query(credential, order), version: credential.version };
  },
  *inUse() {
    if (current) yield current.fingerprint;
    for (const { fingerprint } of open) yield fingerprint;
  },
};

async function query(credential: Credential, order: number): Promise<Answer | undefined> {
  const client = new Client(clientConfig(app.name, credential));
  const connection = { fingerprint: credential.fingerprint };
  open.add(connection);
  try {
    await client.connect();
    const { rows } = await client.query<Answer>(QUERY, [order]);
    return rows[0];
  } finally {
    await client.end().finally(() => open.delete(connection));
  }
}

serve(app, process.argv[2] ?? ".", Number(process.argv[3]));
