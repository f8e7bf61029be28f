/** An application with encrypted records in PostgreSQL, which are read and written all the time. */
import { setTimeout as delay } from "node:timers/promises";
import { Pool } from "pg";
import { keyIdOf, type Keyring } from "../../examples/keys/keyring";

const INSERTED_AT_ONCE = 5_000;

/** What a record says; its revision is beside it. */
const textOf = (id: number, revision: number): string => `record ${id}, revision ${revision}`;

export class Records {
  readonly wrong: string[] = [];
  reads = 0;
  writes = 0;
  private readonly pool: Pool;
  private running: Promise<unknown>[] = [];
  private stopped = false;

  constructor(
    databaseUrl: string,
    private readonly keyring: Keyring,
    readonly count: number,
  ) {
    this.pool = new Pool({ connectionString: databaseUrl, max: 8 });
  }

  async fill(): Promise<void> {
    await this.pool.query(
      `CREATE TABLE records (id int PRIMARY KEY, revision int NOT NULL, key_id text NOT NULL, body bytea NOT NULL)`,
    );
    for (let first = 1; first <= this.count; first += INSERTED_AT_ONCE) {
      const ids = Array.from(
        { length: Math.min(INSERTED_AT_ONCE, this.count - first + 1) },
        (_, index) => first + index,
      );
      const bodies = await Promise.all(ids.map((id) => this.keyring.encrypt(textOf(id, 0), String(id))));
      await this.pool.query(
        `INSERT INTO records SELECT id, 0, key_id, body FROM unnest($1::int[], $2::text[], $3::bytea[]) AS row (id, key_id, body)`,
        [ids, bodies.map(keyIdOf), bodies],
      );
    }
    await this.pool.query(`CREATE INDEX ON records (key_id, id)`);
    await this.pool.query(`ANALYZE records`);
  }

  /** Begins to read and write records at random, until {@link stop}. */
  begin(readers: number, writers: number): void {
    const again = async (work: () => Promise<void>): Promise<void> => {
      while (!this.stopped) {
        await work().catch((error: unknown) => void this.wrong.push(String(error)));
        await delay(1);
      }
    };
    this.running = [
      ...Array.from({ length: readers }, () => again(() => this.readOne())),
      ...Array.from({ length: writers }, () => again(() => this.writeOne())),
    ];
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.running);
  }

  async close(): Promise<void> {
    await this.stop();
    await this.pool.end();
  }

  /** How many records the key has encrypted. */
  async encryptedWith(keyId: string): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM records WHERE key_id = $1`,
      [keyId],
    );
    return rows[0]?.count ?? 0;
  }

  /** Reads every record. @returns how many say what they should. */
  async readable(keyring: Keyring): Promise<number> {
    const { rows } = await this.pool.query<{ id: number; revision: number; body: Buffer }>(
      `SELECT id, revision, body FROM records`,
    );
    let readable = 0;
    for (const { id, revision, body } of rows)
      if ((await keyring.decrypt(body, String(id))) === textOf(id, revision)) readable++;
    return readable;
  }

  private async readOne(): Promise<void> {
    const id = this.anyId();
    const { rows } = await this.pool.query<{ revision: number; body: Buffer }>(
      `SELECT revision, body FROM records WHERE id = $1`,
      [id],
    );
    const [row] = rows;
    if (!row || (await this.keyring.decrypt(row.body, String(id))) !== textOf(id, row.revision))
      this.wrong.push(`record ${id} is not what was written`);
    this.reads++;
  }

  private async writeOne(): Promise<void> {
    const id = this.anyId();
    const { rows } = await this.pool.query<{ revision: number }>(`SELECT revision FROM records WHERE id = $1`, [id]);
    const revision = rows[0]?.revision ?? 0;
    const body = await this.keyring.encrypt(textOf(id, revision + 1), String(id));
    const { rowCount } = await this.pool.query(
      `UPDATE records SET revision = revision + 1, key_id = $3, body = $4 WHERE id = $1 AND revision = $2`,
      [id, revision, keyIdOf(body), body],
    );
    this.writes += rowCount ?? 0;
  }

  private anyId(): number {
    return 1 + Math.floor(Math.random() * this.count);
  }
}
