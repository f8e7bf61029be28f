/** One secret of AWS: its labels, its versions, and the compare-and-swap that moving a label is. */
import type { AdapterContext } from "../../contracts/context";
import type { Api } from "./api";
import { Refused } from "./failures";
import type { Placeholder } from "./labels";

export interface SecretState {
  /** Label → the id of the version that has it. */
  readonly labels: ReadonlyMap<string, string>;
  readonly deletedOn: Date | undefined;
  readonly rotationEnabled: boolean;
  /** The service of AWS that manages it. */
  readonly owner: string | undefined;
  readonly primaryRegion: string | undefined;
}

export interface FoundValue {
  readonly versionId: string;
  readonly content: Uint8Array;
}

/**
 * The waits in ms for what was written to be seen. AWS promises nothing about reads right after writes, and other
 * clients of it wait too.
 */
const SETTLING = [50, 100, 200, 400, 800] as const;

export class AwsSecret {
  /** What this process changed: label → the holder before. Where that one is seen again, the answer is too old. */
  private readonly changed = new Map<string, string | undefined>();

  constructor(
    readonly name: string,
    private readonly api: Api,
    private readonly context: Pick<AdapterContext, "clock" | "signal">,
  ) {}

  /** @returns `null` when there is none. */
  async describe(): Promise<SecretState | null> {
    let state = await this.look();
    for (const wait of SETTLING) {
      if (!this.isOld(state)) return state;
      await this.wait(wait);
      state = await this.look();
    }
    // Not too old but changed back, by somebody else.
    this.changed.clear();
    return state;
  }

  /** @returns why AWS refused, where it did: there may be one by now. */
  async create(
    first: Placeholder,
    text: string,
    description: string,
    kmsKeyId: string | undefined,
  ): Promise<Refused | undefined> {
    try {
      await this.api.call("createSecret", {
        Name: this.name,
        ClientRequestToken: first.versionId,
        SecretString: text,
        Description: description,
        ...(kmsKeyId === undefined ? {} : { KmsKeyId: kmsKeyId }),
      });
      return undefined;
    } catch (error) {
      if (error instanceof Refused) return error;
      throw error;
    }
  }

  async restore(): Promise<void> {
    await this.api.call("restoreSecret", { SecretId: this.name });
  }

  async scheduleDeletion(days: number): Promise<void> {
    await this.api.call("deleteSecret", { SecretId: this.name, RecoveryWindowInDays: days });
  }

  /**
   * Stores a value under this id. One that has the id already is kept, also with another value.
   * @param label stays on the version.
   * @param taken are taken from whatever version has them.
   */
  async put(
    versionId: string,
    value: string | Uint8Array,
    label: string,
    taken: readonly string[] = [],
  ): Promise<"stored" | "kept"> {
    try {
      const { VersionStages = [] } = await this.api.call("putSecretValue", {
        SecretId: this.name,
        ClientRequestToken: versionId,
        VersionStages: [label, ...taken],
        ...(typeof value === "string" ? { SecretString: value } : { SecretBinary: value }),
      });
      // Where the version was there already, AWS changes nothing, the labels included.
      if (!VersionStages.includes(label)) await this.moveLabel(label, undefined, versionId);
      this.changed.set(label, undefined);
      return "stored";
    } catch (error) {
      if (error instanceof Refused && error.why === "exists") return "kept";
      throw error;
    }
  }

  /** @returns `null` when there is no such secret or version. */
  async get(selector: { readonly label: string } | { readonly versionId: string }): Promise<FoundValue | null> {
    try {
      const answer = await this.api.call("getSecretValue", {
        SecretId: this.name,
        ...("label" in selector ? { VersionStage: selector.label } : { VersionId: selector.versionId }),
      });
      const content = answer.SecretBinary ?? Buffer.from(answer.SecretString ?? "");
      return { versionId: answer.VersionId ?? "", content };
    } catch (error) {
      if (error instanceof Refused && error.why === "not-found") return null;
      throw error;
    }
  }

  /**
   * Moves a label, or takes it away (`to` is `undefined`), if `from` still has it; for `undefined`, if nobody has.
   * @returns `false` when somebody else has it: nothing was changed.
   */
  async moveLabel(label: string, from: string | undefined, to: string | undefined): Promise<boolean> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.api.call("updateSecretVersionStage", {
          SecretId: this.name,
          VersionStage: label,
          ...(from === undefined ? {} : { RemoveFromVersionId: from }),
          ...(to === undefined ? {} : { MoveToVersionId: to }),
        });
        this.changed.set(label, from);
        return true;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        // Also after an answer that was lost, and a call that the SDK made again: only what is there now tells.
        const holder = (await this.look())?.labels.get(label);
        if (to === undefined ? holder !== from : holder === to) {
          this.changed.set(label, from);
          return true;
        }
        if (holder !== from) return false;
        // Nobody was faster, so it is the version that AWS does not see yet.
        const wait = SETTLING[attempt];
        if (wait === undefined) throw error;
        await this.wait(wait);
      }
    }
  }

  private async look(): Promise<SecretState | null> {
    try {
      const answer = await this.api.call("describeSecret", { SecretId: this.name });
      const labels = new Map<string, string>();
      for (const [versionId, held] of Object.entries(answer.VersionIdsToStages ?? {}))
        for (const label of held) labels.set(label, versionId);
      return {
        labels,
        deletedOn: answer.DeletedDate,
        rotationEnabled: answer.RotationEnabled ?? false,
        owner: answer.OwningService,
        primaryRegion: answer.PrimaryRegion,
      };
    } catch (error) {
      if (error instanceof Refused && error.why === "not-found") return null;
      throw error;
    }
  }

  private isOld(state: SecretState | null): boolean {
    return [...this.changed].some(([label, before]) => state?.labels.get(label) === before);
  }

  private wait(ms: number): Promise<void> {
    return this.context.clock.sleep(ms, this.context.signal);
  }
}
