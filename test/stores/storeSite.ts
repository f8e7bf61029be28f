/** A site whose secret lives in a store behind a server: each cell begins with a secret of a name of its own. */
import { randomBytes } from "node:crypto";
import type { SecretStore } from "../../provider/contracts/store";
import type { RemoteStore } from "../crash/program";
import { HandlerSite } from "../crash/handlerSite";
import type { Scenario } from "../crash/scenarios";
import { makeParts, type Parts } from "../crash/site";
import type { Victims } from "../crash/victims";
import type { PostgresServer } from "../support/postgres";

/** A store with its server, as the suites that all stores go through want it. */
export interface StoreUnderTest {
  /** Type and options as a program would write them, but for the name. */
  readonly options: RemoteStore["options"];
  /** The option that names the secret. */
  readonly nameOption: string;
  /** An adapter with these options and a name. */
  open(options: RemoteStore["options"]): SecretStore;
  /**
   * What a reader gets who has the backend's own client and knows nothing of this library; `null` where such a reader
   * gets nothing.
   */
  readNative(name: string): Promise<Readonly<Record<string, string>> | null>;
}

export class StoreSite extends HandlerSite {
  /** Less than where only that is looked at: what takes the time here are the servers. */
  protected override readonly loadMs = 100;
  private restores = 0;

  private constructor(
    parts: Parts,
    victims: Victims,
    private readonly under: StoreUnderTest,
    private readonly scenario: Scenario | null,
  ) {
    super(parts, victims);
  }

  /** @param scenario what is prepared anew by each `restore`. */
  static async start(
    under: StoreUnderTest,
    server: PostgresServer,
    victims: Victims,
    scenario: Scenario | null,
  ): Promise<StoreSite> {
    const { options, nameOption } = under;
    const parts = await makeParts(server, { options, nameOption, prefix: "" });
    const site = new StoreSite(parts, victims, under, scenario);
    site.takeNewName();
    await site.save();
    return site;
  }

  /** The name of the secret in the store. */
  get secretName(): string {
    return `${this.remote.prefix}-store`;
  }

  private get remote(): RemoteStore {
    if (!this.facts.remote) throw new Error("the store is no remote one");
    return this.facts.remote;
  }

  private takeNewName(): void {
    this.remote.prefix = `s${this.facts.id}-${++this.restores}-${randomBytes(3).toString("hex")}`;
  }

  override store(name = "store"): SecretStore {
    const { options, nameOption, prefix } = this.remote;
    return this.under.open({ ...options, [nameOption]: `${prefix}-${name}` });
  }

  /** What the server holds cannot be put back as it was: the scenario begins anew, under another name. */
  override async restore(): Promise<void> {
    await super.restore();
    this.takeNewName();
    await this.scenario?.prepare(this);
  }
}
