/** A reader who knows nothing of this library, through many rotations. */
import assert from "node:assert/strict";
import { Client } from "pg";
import { Compiled } from "../crash/compiled";
import type { Run } from "../crash/runs";
import { DAY, HOUR } from "../crash/scenarios";
import { Victims } from "../crash/victims";
import { startPostgres, type PostgresServer } from "../support/postgres";
import { StoreSite, type StoreUnderTest } from "./storeSite";

const ROTATIONS = 50;
const UP: Run = { do: "up", soak: "0s" };

/** Call within `describe`. @param under known once the server runs. */
export function followedByNativeReaders(under: () => StoreUnderTest): void {
  describe("whose native reader polls", function () {
    this.timeout(5 * 60_000);
    let server: PostgresServer;
    let compiled: Compiled;
    before(async () => {
      compiled = new Compiled();
      server = await startPostgres();
    });
    after(async () => {
      await server.stop();
      compiled.remove();
    });

    it(`never gets a value that fails to log in, during ${ROTATIONS} rotations`, async () => {
      // The runs are this process's own: none is killed.
      const site = await StoreSite.start(under(), server, new Victims(compiled, 0), null);
      const reader = new Reader(under(), site);
      try {
        await site.clean(UP);
        reader.start();
        for (let rotation = 0; rotation < ROTATIONS; rotation++) {
          // The clock jumps, and a reader's log-in under way would otherwise take longer than the grace.
          await reader.between(() => site.advance(91 * DAY));
          await site.clean(UP);
          await reader.between(() => site.advance(HOUR + 1000));
          await site.clean(UP);
        }
      } finally {
        await reader.stop();
        await site.close();
      }
      assert.deepEqual(reader.failures, []);
      assert.equal(reader.users.size, ROTATIONS + 1, "it saw each version");
      assert.ok(reader.logins > ROTATIONS, `${reader.logins} log-ins`);
    });
  });
}

class Reader {
  readonly failures: string[] = [];
  readonly users = new Set<string>();
  logins = 0;
  private running = false;
  private loop: Promise<void> = Promise.resolve();
  private turn: Promise<void> = Promise.resolve();

  constructor(
    private readonly under: StoreUnderTest,
    private readonly site: StoreSite,
  ) {}

  start(): void {
    this.running = true;
    this.loop = (async () => {
      while (this.running) {
        const turn = this.turn.then(() => this.read());
        this.turn = turn;
        await turn;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
  }

  /** Does something while no log-in is under way, after at least one. */
  async between(work: () => void): Promise<void> {
    const mine = this.turn.then(() => this.read()).then(work);
    this.turn = mine;
    await mine;
  }

  async stop(): Promise<void> {
    this.running = false;
    await this.loop;
  }

  private async read(): Promise<void> {
    try {
      const value = await this.under.readNative(this.site.secretName);
      if (value === null) return void this.failures.push("it got nothing");
      const { username = "", password = "" } = value;
      this.users.add(username);
      const { host, port, database } = this.site.facts;
      const client = new Client({ host, port, database, user: username, password });
      client.on("error", () => undefined);
      await client.connect();
      await client.end();
      this.logins++;
    } catch (error) {
      this.failures.push((error as Error).message);
    }
  }
}
