/**
 * A folder with a file for each field, such as a Kubernetes Secret that a pod mounts.
 *
 * The kubelet writes a change into a new folder beside the old one and then swaps the link `..data`. So all fields are
 * read from where the link led at first, and count only if it still leads there afterwards.
 */
import { lstatSync } from "node:fs";
import { lstat, readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { describeError, IncompleteError, isMissing, SecretError } from "./errors";
import { sealed, type Fields, type SecretSource } from "./source";
import { watchFolder } from "./watching";

/** A look is a `realpath` and a `stat`. */
const MAX_AGE_MS = 1000;
const LINK = "..data";

export interface FolderOptions {
  /**
   * The fingerprint of the version that is in the folder, for a folder that never changes: a mounted Secret of one
   * version. Once the content changes it is not reported any more. Absent: nothing is reported.
   */
  readonly fingerprint?: string;
}

/**
 * @param path the `mountPath` of a volume, or a symbolic link to a folder that is swapped as a whole. A plain folder is
 *   refused: nobody can tell whether all of its files are of the same version. Files are read as UTF-8.
 */
export function fromFolder(path: string, { fingerprint }: FolderOptions = {}): SecretSource<Fields> {
  const folder = resolve(path);
  let first: Fields | undefined;
  const factsOf = (value: Fields) => {
    first ??= value;
    return fingerprint !== undefined && isDeepStrictEqual(first, value) ? { fingerprint } : {};
  };
  return {
    description: `the folder ${folder}`,
    maxAge: MAX_AGE_MS,
    async read({ name }) {
      const value = sealed(await readAtOnce(folder));
      return { value, ...factsOf(value), ...(name === undefined ? {} : { name }) };
    },
    async look() {
      const target = await locate(folder);
      const { ino, mtimeNs } = await stat(target, { bigint: true });
      return `${target}:${ino}:${mtimeNs}`;
    },
    watch: (changed) =>
      isLink(folder)
        ? watchFolder(dirname(folder), (name) => name === basename(folder), changed)
        : watchFolder(folder, (name) => name.startsWith(".."), changed),
  };
}

async function readAtOnce(folder: string): Promise<Record<string, string>> {
  const target = await locate(folder);
  try {
    const entries = await readdir(target, { withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
    const fields = await Promise.all(files.map(async (name) => [name, await readFile(join(target, name), "utf8")]));
    if ((await locate(folder)) === target) return Object.fromEntries(fields) as Record<string, string>;
  } catch (error) {
    if (error instanceof SecretError) throw error;
    if (!isMissing(error)) throw new SecretError(`The folder ${folder} cannot be read: ${describeError(error)}.`);
  }
  throw new IncompleteError(`The folder ${folder} was swapped while it was read.`);
}

/** Where the fields of now are. */
async function locate(folder: string): Promise<string> {
  try {
    return await realpath(join(folder, LINK));
  } catch (error) {
    if (!isMissing(error)) throw new SecretError(`The folder ${folder} cannot be read: ${describeError(error)}.`);
  }
  try {
    if ((await lstat(folder)).isSymbolicLink()) return await realpath(folder);
  } catch {
    throw new SecretError(`The folder ${folder} does not exist, or leads nowhere.`);
  }
  throw new SecretError(
    `The folder ${folder} is neither a mounted Secret (it has no ${LINK}) nor a symbolic link to a folder, so that its ` +
      "files cannot be told to be of one version. Mount the Secret as a volume, without subPath, or give a link to the " +
      "folder that is swapped as a whole.",
  );
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}
