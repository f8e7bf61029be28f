/** The program that an encryption key's `rewrap` names: it encrypts anew, in batches, what a key has encrypted. */
import { readFileSync, writeFileSync } from "node:fs";
import { Client } from "pg";
import { Keyring } from "../../examples/keys/keyring";
import { storedKeys } from "./storedKeys";

const BATCH = 500;

async function main(): Promise<void> {
  const { STORE_PATH = "", KEY_FILE = "", DATABASE_URL = "", PID_FILE = "" } = process.env;
  const { key } = JSON.parse(readFileSync(0, "utf8")) as { key: { keyId: string } };
  writeFileSync(PID_FILE, String(process.pid));
  const keyring = new Keyring(await storedKeys(STORE_PATH, KEY_FILE), 60_000);
  const database = new Client({ connectionString: DATABASE_URL });
  await database.connect();
  // Asked about the key that is current, there is nothing to do but to count.
  while (key.keyId !== (await keyring.encryptsWith())) {
    const { rows } = await database.query<{ id: number; body: Buffer }>(
      `SELECT id, body FROM records WHERE key_id = $1 ORDER BY id LIMIT ${BATCH}`,
      [key.keyId],
    );
    if (rows.length === 0) break;
    const fresh = await Promise.all(
      rows.map(async ({ id, body }) => keyring.encrypt(await keyring.decrypt(body, String(id)), String(id))),
    );
    // What somebody has written meanwhile is left alone.
    await database.query(
      `UPDATE records SET body = fresh.body, key_id = $4
         FROM unnest($1::int[], $2::bytea[], $3::bytea[]) AS fresh (id, old, body)
        WHERE records.id = fresh.id AND records.body = fresh.old`,
      [rows.map(({ id }) => id), rows.map(({ body }) => body), fresh, await keyring.encryptsWith()],
    );
  }
  const { rows } = await database.query<{ left: number }>(
    `SELECT count(*)::int AS left FROM records WHERE key_id = $1`,
    [key.keyId],
  );
  await database.end();
  console.log(JSON.stringify({ left: rows[0]?.left }));
}

void main();
