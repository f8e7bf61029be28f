/**
 * A database, an app under load and a stack of their own, in which one scenario is stopped again and again; whatever
 * carries the runs out.
 */
import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFileAuditSink } from "../../provider/audit/file";
import { verifyChain } from "../../provider/audit/verify";
import type { AdapterContext } from "../../provider/contracts/context";
import type { SecretStore } from "../../provider/contracts/store";
import { isConfirmed } from "../../provider/lifecycle/confirmation";
import { decodeLedger, type LedgerState } from "../../provider/lifecycle/ledger";
import { createFileStore } from "../../provider/stores/file";
import { startApp, type TestApp } from "../support/app";
import type { Properties } from "../support/miniEngine";
import type { PostgresServer } from "../support/postgres";
import { ShiftedClock } from "./clock";
import { SECRET, storeOf, trailOf, type RemoteStore, type SiteFacts } from "./program";
import { QUERY, Roles, type SavedRoles } from "./roles";
import type { Run } from "./runs";
import type { Stop } from "./victim";

/** What is to be found once everything has settled. */
export interface Expected {
  readonly gone: boolean;
  readonly store: string;
  /** Names of further stores that hold the same. */
  readonly replicas: readonly string[];
  /** Names of stores that hold nothing any more. */
  readonly left: readonly string[];
}

/** What the engine keeps of the secret. */
export interface State {
  /** The outputs of its entry. */
  readonly secret: Properties | null;
  /** How many entries are to be deleted yet. */
  readonly pending: number;
}

interface Saved {
  readonly roles: SavedRoles;
  readonly now: number;
}

/** What a site is made of, whoever does the runs. */
export interface Parts {
  readonly facts: SiteFacts;
  readonly roles: Roles;
  readonly app: TestApp;
}

export async function makeParts(server: PostgresServer, remote?: RemoteStore): Promise<Parts> {
  const id = randomBytes(5).toString("hex");
  const folder = join(mkdtempSync(join(tmpdir(), "rotation-crash-")), "site");
  mkdirSync(folder);
  writeFileSync(join(folder, "key"), randomBytes(32).toString("base64"), { mode: 0o600 });
  const roles = await Roles.open(server, id);
  const app = await startApp(join(folder, "app.json"), QUERY);
  const { host, port } = server;
  const facts = { id, folder, host, port, database: `db_${id}`, appUrl: app.url, ...(remote ? { remote } : {}) };
  return { facts, roles, app };
}

export abstract class Site {
  readonly facts: SiteFacts;
  readonly roles: Roles;
  readonly clock = new ShiftedClock();
  /** The time from one request to the app, or look at the server, to the next, in ms. */
  protected readonly loadMs: number = 20;
  /** What went wrong since the watch began. */
  private complaints: string[] = [];
  private saved: Saved | undefined;
  private restored = 0;
  private watching = false;
  private watches: Promise<void>[] = [];

  constructor(private readonly parts: Parts) {
    this.facts = parts.facts;
    this.roles = parts.roles;
  }

  /** A run that nothing stops, and what it failed with. */
  abstract attempt(run: Run): Promise<Error | undefined>;

  /** A run that is stopped. @throws when it never came to the call, or was not stopped there. */
  abstract stop(run: Run, stop: Stop, hurry?: number): Promise<void>;

  abstract state(): State | Promise<State>;

  advance(ms: number): void {
    this.clock.advance(ms);
  }

  /** A run that nothing stops; it has to succeed. */
  async clean(run: Run): Promise<void> {
    const error = await this.attempt(run);
    if (error) throw error;
  }

  /** A role that an application uses already, and its credential where the app finds it. */
  async makeRoleInUse(): Promise<void> {
    const { id, host, port, database, folder } = this.facts;
    await this.roles.run(
      `CREATE ROLE app_${id} LOGIN PASSWORD '${OLD_PASSWORD}' IN ROLE owner_${id}, reader_${id}, auditor_${id}`,
    );
    const value = { url: `postgres://app_${id}:${OLD_PASSWORD}@${host}:${port}/${database}` };
    writeFileSync(
      join(folder, "app.json"),
      JSON.stringify({ secrets: { [SECRET]: { version: 0, fingerprint: "before", value } } }),
    );
  }

  /** From now on everything that was issued may be in wrong hands. */
  suspect(): void {
    this.facts.suspectedAt = this.clock.now();
    this.advance(1000);
  }

  /** Keeps everything as it is now. */
  async save(): Promise<void> {
    copyFolder(this.facts.folder, `${this.facts.folder}.saved`);
    this.saved = { roles: await this.roles.save(), now: this.clock.now() };
  }

  /** Puts everything back as it was when it was kept. */
  async restore(): Promise<void> {
    if (!this.saved) throw new Error("nothing was kept");
    await this.endWatch();
    this.complaints = [];
    // What was there is kept to the end: a file put in the place of another would otherwise get the same inode, and a
    // process that lives on, as no provider does, could take it for the one that it knows.
    renameSync(this.facts.folder, `${this.facts.folder}.${++this.restored}`);
    copyFolder(`${this.facts.folder}.saved`, this.facts.folder);
    await this.roles.restore(this.saved.roles);
    this.clock.ahead = this.saved.now - Date.now();
  }

  /**
   * From now on each moment with more than two live versions is a complaint, and each failed request of the app.
   * @param load `false` where what the app uses is torn down: it ends with it.
   */
  watch(load: boolean): void {
    this.watching = true;
    this.watches = [this.countVersions(), ...(load ? [this.load()] : [])];
  }

  async endWatch(): Promise<void> {
    this.watching = false;
    await Promise.all(this.watches);
    this.watches = [];
  }

  private async load(): Promise<void> {
    let served = false;
    while (this.watching) {
      const response = await fetch(`${this.facts.appUrl}/health`).catch((error: unknown) => error as Error);
      const ok = response instanceof Response && response.status === 200;
      const body = response instanceof Response ? await response.text() : response.message;
      if (ok) served = true;
      // Before its first credential there is nothing that could fail.
      else if (served) this.complaints.push(`a request failed: ${body}`);
      await pause(this.loadMs);
    }
  }

  private async countVersions(): Promise<void> {
    while (this.watching) {
      const live = await this.roles.live();
      if (live.length > 2) this.complaints.push(`more than two live: ${live.join(", ")}`);
      await pause(this.loadMs);
    }
  }

  /** The store, opened as if by hand. */
  store(name = "store"): SecretStore {
    return createFileStore(storeOf(this.facts, name) as never, {} as AdapterContext);
  }

  private async ledger(name: string): Promise<LedgerState> {
    const ledger = decodeLedger((await this.store(name).load()).body, name);
    if (!ledger) throw new Error(`there is no ledger in ${name}`);
    return ledger;
  }

  /** What is not as it should be once everything has settled; empty when all is well. */
  async settled({ gone, store, replicas, left }: Expected): Promise<string[]> {
    const ledger = await this.ledger(store);
    const state = await this.state();
    const roles = await this.roles.all();
    const found: string[] = [];
    const expect = (holds: boolean, what: string) => {
      if (!holds) found.push(what);
    };
    const kept = gone ? [] : [ledger.versions.find((record) => record.version === ledger.active)?.rotationId];
    for (const name of [store, ...replicas]) {
      const stored = (await this.store(name).list()).map((ref) => ref.token);
      expect(stored.join() === kept.join(), `${name} holds ${stored.length} versions`);
      const label = (await this.store(name).load()).current?.token;
      expect(label === kept[0], `"current" of ${name} is not the active version`);
    }
    for (const name of left) {
      const stored = await this.store(name).list();
      expect(stored.length === 0, `${name} still holds ${stored.length} versions`);
    }
    if (gone) {
      expect(ledger.status === "torn-down", `the ledger is ${ledger.status}`);
      expect(roles.length === 0, `roles are left: ${roles.join(", ")}`);
      expect(state.secret === null, "the state still has an entry");
    } else {
      expect(ledger.status === "live" && isConfirmed(ledger), "not confirmed");
      expect(roles.length === 1, `roles: ${roles.join(", ")}`);
      expect((await this.roles.live()).length === roles.length, "the role cannot log in");
      const { version, incarnation, epoch } = state.secret ?? {};
      const { counters } = ledger;
      const agree = version === ledger.active && incarnation === counters.incarnation && epoch === counters.epoch;
      expect(agree, `the state names v${String(version)}#${String(incarnation)}@${String(epoch)}`);
    }
    expect(state.pending === 0, "pending deletes are left");
    expect(ledger.lease === null, "the lease was not given back");
    const path = trailOf(this.facts, store);
    const sink = createFileAuditSink({ type: "file", path }, {} as AdapterContext);
    const findings = verifyChain(await sink.read(ledger.identity), { expectedHead: ledger.audit });
    expect(findings.length === 0, `the audit trail: ${findings.map((finding) => finding.message).join("; ")}`);
    return found;
  }

  /** What went wrong on the way, and since the watch began. */
  get wrong(): readonly string[] {
    return this.complaints;
  }

  async close(): Promise<void> {
    await this.endWatch();
    await this.parts.app.stop();
    await this.roles.close();
    rmSync(join(this.facts.folder, ".."), { recursive: true, force: true });
  }
}

function copyFolder(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true });
}

export const OLD_PASSWORD = "the-old-password";

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
