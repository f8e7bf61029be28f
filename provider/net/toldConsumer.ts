/** What consumers have in common that are told to move, and read the value themselves where they always do. */
import type { Adoption, Consumer, RollTarget } from "../contracts/consumer";
import type { AdapterContext } from "../contracts/context";
import { adoptionOptions, awaitAdoption, type AdoptionOptions } from "./awaitAdoption";
import { duration, durationMs, flag, text, wholeNumber } from "./options";

const HOUR = 3_600_000;

export const toldConsumerOptions = {
  name: text("name", 200),
  /** Consumers of a lower wave are rolled and checked first. Default: 0. */
  wave: wholeNumber("wave", 0, 1000).optional(),
  /**
   * Whether it stays on the version that it was told of until it is told of another one, also when it restarts by
   * itself. It is taken at its word. Default: false: it may use a version from the moment it becomes current.
   */
  pinned: flag("pinned").optional(),
  /** How long it may go on with a value that it has read before. Default: "0s". */
  readersCache: duration("readersCache", 0, 30 * 24 * HOUR).optional(),
  /** Where it says by which versions it is connected: evidence of use. */
  adoption: adoptionOptions.optional(),
  /** Default: "60s". */
  adoptionTimeout: duration("adoptionTimeout", 100, HOUR).optional(),
  /** The time between two questions of a wait. Default: "500ms". */
  interval: duration("interval", 10, HOUR).optional(),
};

export interface ToldConsumerOptions {
  readonly name: string;
  readonly wave?: number | undefined;
  readonly pinned?: boolean | undefined;
  readonly readersCache?: string | undefined;
  readonly adoption?: AdoptionOptions | undefined;
  readonly adoptionTimeout?: string | undefined;
  readonly interval?: string | undefined;
}

export function describeConsumer(
  options: ToldConsumerOptions,
): Pick<Consumer, "name" | "wave" | "pinned" | "readersCacheMs" | "hasEvidence"> {
  return {
    name: options.name,
    wave: options.wave ?? 0,
    pinned: options.pinned ?? false,
    readersCacheMs: durationMs(options.readersCache, "0s"),
    hasEvidence: options.adoption !== undefined,
  };
}

/** @param did what was done to it, where it has no adoption address: `it was only signalled`. */
export async function confirmTold(
  options: ToldConsumerOptions,
  did: string,
  target: RollTarget,
  context: AdapterContext,
): Promise<Adoption> {
  const { name, adoption, adoptionTimeout, interval } = options;
  if (!adoption) {
    return { adopted: false, detail: `no evidence of the version in use: ${did}, and has no adoption address` };
  }
  const request = { consumer: name, adoption, timeout: adoptionTimeout, interval };
  const { adopted, detail } = await awaitAdoption(request, target, context);
  return { adopted, detail };
}
