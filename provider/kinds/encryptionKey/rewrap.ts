/** What is left of a version: the answer of the user's program, which encrypts it anew while it is asked. */
import type { AdapterContext, IssuedRef } from "../../contracts/context";
import type { UsageReport } from "../../contracts/kind";
import { StateError } from "../../lifecycle/errors";
import { ask } from "../../net/storedKind";
import type { EncryptionKeyOptions } from "./options";

export const TYPE = "encryptionKey";

/** `undefined` where the program did not tell, for the reason in `end`. */
interface Left {
  readonly left: number | undefined;
  readonly end: string;
}

async function rewrap({ rewrap }: EncryptionKeyOptions, ref: IssuedRef, context: AdapterContext): Promise<Left> {
  // In the middle of its work it is given a moment to end by itself, when the run is cancelled.
  const { line, end } = await ask(rewrap, "rewrap", TYPE, ref, context, false);
  const left = line?.["left"];
  if (typeof left === "number" && Number.isSafeInteger(left) && left >= 0) return { left, end };
  return { left: undefined, end: line ? `${end}, and its answer has no "left" that is a whole number` : end };
}

export async function usageOf(
  options: EncryptionKeyOptions,
  ref: IssuedRef,
  context: AdapterContext,
): Promise<UsageReport> {
  const { left, end } = await rewrap(options, ref, context);
  const keyId = ref["keyId"] ?? "";
  if (left === undefined)
    return { verdict: "unknown", uses: [], detail: `how many ciphertexts of ${keyId} are left is not known: ${end}` };
  if (left === 0) return { verdict: "unused", uses: [], since: context.clock.now() };
  context.log.info(`Key ${keyId}: ${left} ciphertexts are left; the next run goes on with them.`);
  return { verdict: "used", uses: [{ by: `${left} ciphertexts that are left`, principal: keyId }] };
}

/** Asked once more just before the key is deleted, whoever wants it so: what is lost with it cannot be had again. */
export async function assertNothingLeft(
  options: EncryptionKeyOptions,
  ref: IssuedRef,
  context: AdapterContext,
): Promise<void> {
  const { left, end } = await rewrap(options, ref, context);
  if (left === 0) return;
  const keyId = ref["keyId"] ?? "";
  throw new StateError(
    left === undefined
      ? `Whether ciphertexts of ${keyId} are left is not known: ${end}. The key was not deleted. Mend the program, then ` +
          `run again.`
      : `${left} ciphertexts of ${keyId} are left, which nobody could read without it. The key was not deleted. Run ` +
          `again: rewrap.command goes on; where the data itself is to go, delete it first.`,
  );
}
