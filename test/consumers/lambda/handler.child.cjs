// A function: at its cold start it reads the version of the secret that its variables name, from a small endpoint that
// stands for Secrets Manager, and then logs in to PostgreSQL for each request with what it has read.
"use strict";
const { Client } = require("pg");

const { SECRETS_URL, ORDERS_DB_VERSION_ID, ORDERS_DB_FINGERPRINT } = process.env;
let value;

async function readOnce() {
  if (value !== undefined) return value;
  const response = await fetch(`${SECRETS_URL}/${ORDERS_DB_VERSION_ID}`);
  if (!response.ok) throw new Error(`version ${ORDERS_DB_VERSION_ID} cannot be read: ${response.status}`);
  value = await response.json();
  return value;
}

/** `leak`: fails with what it has read in the message, as a careless function does. `crash`: ends its process. */
exports.handler = async (event) => {
  const { url } = await readOnce();
  if (event.crash === true) process.exit(3);
  if (event.leak === true) throw new Error(`cannot use ${url} ${process.env.API_KEY}`);
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  try {
    await client.connect();
    const { rows } = await client.query("SELECT session_user AS role");
    return { role: rows[0].role, adoption: { fingerprints: { "orders-db": [ORDERS_DB_FINGERPRINT] } } };
  } finally {
    await client.end().catch(() => undefined);
  }
};

/** One that reads the secret itself, whatever its variables say, and reports what it uses. */
exports.stubborn = async () => ({ adoption: { fingerprint: "another" } });
exports.apiGateway = async () => ({ statusCode: 503, body: "no connection" });
