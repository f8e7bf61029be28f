// The function of docs/client.md: the client reads the version that the variables name, once, at the cold start.
"use strict";
require("tsx/cjs");
const { Client } = require("pg");
const { adoptionReport, fromFunction, openSecret } = require("../../../client/index.ts");

const { SECRETS_URL, ORDERS_DB_VERSION_ID, ORDERS_DB_FINGERPRINT } = process.env;
let reads = 0;

const secret = openSecret({
  name: "orders-db",
  source: fromFunction(
    async (signal) => {
      reads++;
      const response = await fetch(`${SECRETS_URL}/${ORDERS_DB_VERSION_ID}`, { signal });
      return response.json();
    },
    { versionOf: () => ({ fingerprint: ORDERS_DB_FINGERPRINT }) },
  ),
  maxAge: 24 * 3_600_000,
});

async function query(value) {
  const client = new Client({ connectionString: value.url });
  await client.connect();
  try {
    return (await client.query("SELECT session_user AS role")).rows[0].role;
  } finally {
    await client.end();
  }
}

exports.handler = async ({ probe }) => {
  const role = await secret.withSecret(query);
  return probe ? { adoption: adoptionReport(secret) } : { role, reads };
};
