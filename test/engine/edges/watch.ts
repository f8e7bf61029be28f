/**
 * Looks at the promises while the commands of a test run: the app asks its real query all the time, the versions at the
 * issuer are counted, and every password that was ever delivered is remembered. At the end all of it is held against
 * the ledger, the store and the trail.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { verifyChain } from "../../../provider/audit/verify";
import { PASSPHRASE, type Site } from "../site";

const PERIOD_MS = 100;

export class Watch {
  private asked = 0;
  private readonly refused: string[] = [];
  private mostLive = 0;
  private readonly passwords = new Set<string>();
  private consumersRun = true;
  private over = false;
  private readonly watching: Promise<void>;

  private constructor(private readonly site: Site) {
    this.watching = this.watch();
  }

  static start(site: Site): Watch {
    return new Watch(site);
  }

  /** The app is switched off: from here on its credential may go, as in a teardown. */
  consumersEnd(): void {
    this.consumersRun = false;
  }

  private async watch(): Promise<void> {
    while (!this.over) {
      this.mostLive = Math.max(this.mostLive, (await this.rotationsAtIssuer()).length);
      if (this.consumersRun && this.rememberPassword()) await this.ask();
      await delay(PERIOD_MS);
    }
  }

  private async ask(): Promise<void> {
    const response = await fetch(`${this.site.app.url}/health`);
    this.asked++;
    const { consumersRun } = this;
    if (!response.ok && consumersRun) this.refused.push(await response.text());
    else await response.arrayBuffer();
  }

  /** @returns whether the app has got a credential yet. */
  private rememberPassword(): boolean {
    const file = join(this.site.stack.folder, "app.json");
    if (!existsSync(file)) return false;
    const { secrets } = JSON.parse(readFileSync(file, "utf8")) as {
      secrets: Record<string, { value: Record<string, string> }>;
    };
    for (const { value } of Object.values(secrets)) this.passwords.add(value["password"] ?? "");
    return true;
  }

  /** The rotation ids of the roles that are versions of a secret in the site's database. */
  private async rotationsAtIssuer(): Promise<string[]> {
    const { rows } = await this.site.superuser.query<{ mark: string }>(
      `SELECT description AS mark FROM pg_shdescription JOIN pg_auth_members ON objoid = member
       WHERE roleid = $1::regrole AND description LIKE '{%'`,
      [`owner_${this.site.id}`],
    );
    return rows.map(({ mark }) => (JSON.parse(mark) as { rotation: string }).rotation);
  }

  async end(): Promise<void> {
    this.over = true;
    await this.watching.catch(() => undefined);
  }

  /** Ends the watching, and says whether every promise was kept. */
  async assertKept(): Promise<void> {
    this.over = true;
    await this.watching;
    const { site } = this;
    assert.deepEqual(this.refused, [], `of ${this.asked} requests these failed`);
    assert.ok(this.mostLive <= 2, `${this.mostLive} versions were live at once`);
    await this.assertNoOrphan();
    await this.assertNothingRetiredTooEarly();
    assert.deepEqual(this.placesWithSecrets(), []);
    const ledger = await site.ledger();
    if (ledger) assert.deepEqual(verifyChain(await site.trail(), { expectedHead: ledger.audit }), []);
  }

  private async assertNoOrphan(): Promise<void> {
    const versions = (await this.site.ledger())?.versions ?? [];
    const known = new Set(versions.filter(({ endedAt }) => endedAt === null).map(({ rotationId }) => rotationId));
    const stored = (await this.site.store().list()).map(({ token }) => token);
    for (const [where, found] of Object.entries({ issuer: await this.rotationsAtIssuer(), store: stored }))
      assert.deepEqual(
        found.filter((id) => !known.has(id)),
        [],
        `the ${where} has versions that the ledger does not know`,
      );
  }

  private async assertNothingRetiredTooEarly(): Promise<void> {
    let confirmed: number | null = null;
    for (const event of await this.site.trail()) {
      if (event?.step === "confirmed") confirmed = event.version;
      if (event?.step === "retiring")
        assert.ok(
          confirmed !== null && confirmed !== event.version,
          `v${event.version} was retired without a successor`,
        );
    }
  }

  private placesWithSecrets(): string[] {
    const { folder, outputs } = this.site.stack;
    const texts = [
      ...outputs.map((output, index) => [`the output of run ${index + 1}`, output] as const),
      ...[...filesBelow(join(folder, "backend")), join(folder, "secrets/orders-db/audit.jsonl")]
        .filter((file) => existsSync(file))
        .map((file) => [file, readFileSync(file, "latin1")] as const),
    ];
    const secrets = [...this.passwords, PASSPHRASE].filter(Boolean);
    return texts.filter(([, text]) => secrets.some((secret) => text.includes(secret))).map(([place]) => place);
  }
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .flatMap((path) => (statSync(path).isDirectory() ? filesBelow(path) : [path]));
}
