/** Turns what the operating system says into errors that tell what happened and what to do. */
import { ConfigurationError, RotationError, UnreachableError } from "../../lifecycle/errors";

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: "Free some space on the disk, then run again.",
  EDQUOT: "Raise the disk quota or free some space, then run again.",
  EFBIG: "Raise the limit on file sizes (`ulimit -f`), then run again.",
  EACCES: "Let the user who runs `pulumi` read and write the folder, then run again.",
  EPERM: "Let the user who runs `pulumi` read and write the folder, then run again.",
  EROFS: "Mount the filesystem writable, then run again.",
  EMFILE: "Raise the limit on open files (`ulimit -n`), then run again.",
  EIO: "Check the disk, then run again.",
};

export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
}

/** Runs `action`; an error of the operating system becomes one that names the store and what it was doing. */
export async function translatingFailures<T>(location: string, doing: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw translate(error, location, doing);
  }
}

function translate(error: unknown, location: string, doing: string): unknown {
  const code = errorCode(error);
  if (error instanceof RotationError || code === undefined) return error;
  const seen = (error as Error).message;
  if (code === "ENOTDIR") {
    return new ConfigurationError(
      `The store ${location} could not ${doing}: a part of its path is a file, not a folder (${seen}). ` +
        "Nothing was changed. Give `path` a folder that is used for this secret only.",
      { cause: error },
    );
  }
  return new UnreachableError(
    `The store ${location} could not ${doing}: ${seen}. What was stored before is unchanged. ` +
      (ADVICE[code] ?? "Remove the cause, then run again."),
    { cause: error },
  );
}
