/** The secret that applications read, by `latest`, by the alias `current` or by number. */
import type { AdapterContext } from "../../contracts/context";
import { ConflictError } from "../../lifecycle/errors";
import type { SecretsClient } from "./client";
import { CallFailure, hasStatus } from "./failures";
import type { VersionInfo } from "./messages";

export const CURRENT = "current";

const ATTEMPTS = 8;
const FIRST_WAIT_MS = 50;
const LOST_ANSWERS = 2;

export interface Newest {
  /** 0 where the secret has no version, or does not exist. */
  readonly number: number;
  /** `undefined` where a reader of `latest` gets nothing: it is disabled or destroyed. */
  readonly data: Buffer | undefined;
}

/** What `latest` gave: only who knows the metadata can tell whether that is so. */
export type Latest = Awaited<ReturnType<SecretsClient["access"]>>;

export class Native {
  constructor(
    readonly id: string,
    private readonly client: SecretsClient,
    private readonly context: AdapterContext,
  ) {}

  latest(): Promise<Latest> {
    return this.client.access(this.id, "latest");
  }

  /**
   * The newest version, whatever state it is in.
   * @param known a version of this number or a newer one was there: `latest` may still show an older one, only an
   * access by number sees at once what was added (https://cloud.google.com/secret-manager/docs/reference/consistency).
   */
  async newest(known: number, latest?: Latest): Promise<Newest> {
    const shown = latest ?? (await this.latest());
    if (typeof shown === "object" && shown.number >= known) return shown;
    const number = shown === "closed" ? ((await this.client.getVersion(this.id, "latest"))?.number ?? 0) : 0;
    if (number > known) return { number, data: undefined };
    if (known === 0) return { number: 0, data: undefined };
    return { number: known, data: await this.data(known) };
  }

  /** @returns `undefined` where it is absent, disabled or destroyed. */
  async data(number: number): Promise<Buffer | undefined> {
    const found = await this.client.access(this.id, number);
    return typeof found === "object" ? found.data : undefined;
  }

  /**
   * Readers of `latest` get it from now on.
   * @param after the newest number so far. Where the answer gets lost, what came after it is looked at: a second version
   * with the same payload would be one too many.
   */
  async add(data: Buffer, after: number): Promise<number> {
    for (let lost = 0; ; lost++) {
      try {
        return (await this.client.addVersion(this.id, data, "once")).number;
      } catch (error) {
        if (!(error instanceof CallFailure && error.isUncertain) || this.context.signal.aborted) throw error;
        const found = await this.findAfter(after, data);
        if (found !== undefined) return found;
        if (lost >= LOST_ANSWERS) throw error;
      }
    }
  }

  /** @param number absent: takes the alias away. It is only ever moved to a newer version. */
  async label(number?: number): Promise<void> {
    let lost = 0;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const info = await this.client.getSecret(this.id);
      const { [CURRENT]: labelled = 0, ...others } = info?.aliases ?? {};
      if (info === undefined || (number === undefined ? labelled === 0 : labelled >= number)) return;
      const aliases = number === undefined ? others : { ...others, [CURRENT]: number };
      try {
        await this.client.updateSecret(this.id, { etag: info.etag, aliases });
        return;
      } catch (error) {
        const isLost = error instanceof CallFailure && error.isUncertain;
        if (isLost ? ++lost > LOST_ANSWERS : !hasStatus(error, "FAILED_PRECONDITION", "ABORTED")) throw error;
        this.context.signal.throwIfAborted();
      }
      const most = FIRST_WAIT_MS * 2 ** (attempt - 1);
      await this.context.clock.sleep(most * Math.random(), this.context.signal);
    }
    throw new ConflictError(
      `The alias ${CURRENT} of the secret ${this.id} could not be set: others changed the secret ${ATTEMPTS} times in a ` +
        "row, or Secret Manager still shows an earlier state of it. Run again: the next run completes it.",
    );
  }

  async disable(numbers: readonly number[]): Promise<void> {
    for (const number of numbers) await this.client.disable(this.id, number);
  }

  /** @returns how many of them are not gone for good. */
  async enable(numbers: readonly number[]): Promise<number> {
    let enabled = 0;
    for (const number of numbers) if (await this.client.enable(this.id, number)) enabled += 1;
    return enabled;
  }

  /** @returns those of which the destruction is only scheduled. */
  async destroy(numbers: readonly number[]): Promise<readonly VersionInfo[]> {
    const scheduled: VersionInfo[] = [];
    for (const number of numbers) {
      const version = await this.client.destroy(this.id, number);
      if (version?.scheduledAt !== undefined) scheduled.push(version);
    }
    return scheduled;
  }

  private async findAfter(after: number, data: Buffer): Promise<number | undefined> {
    for (let number = after + 1; ; number++) {
      const found = await this.client.access(this.id, number);
      if (found === "absent") return undefined;
      if (typeof found === "object" && found.data.equals(data)) return number;
    }
  }
}
