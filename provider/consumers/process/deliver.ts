/** Puts the credential into a file: whole or not at all, readable by its owner only. */
import { open, rename, rm } from "node:fs/promises";
import * as path from "node:path";
import type { RollTarget } from "../../contracts/consumer";
import { ConsumerError } from "../../lifecycle/errors";
import { errorCode } from "../../net/networkErrors";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "its folder does not exist",
  ENOTDIR: "a part of its path is not a folder",
  EISDIR: "it is a folder",
  EACCES: "this process has no permission",
  EPERM: "this process has no permission",
  EROFS: "the file system is read-only",
  ENOSPC: "the file system is full",
};

/** `{ "secrets": { "<name>": { "version", "fingerprint", "value" } } }` */
export function fileContent(target: RollTarget): string {
  const secrets = target.secrets.map(({ secret, ref, fingerprint, value }) => [
    secret,
    { version: ref.version, fingerprint, value },
  ]);
  return `${JSON.stringify({ secrets: Object.fromEntries(secrets) as unknown }, null, 2)}\n`;
}

/**
 * Replaces the file. A reader sees the content before or the content after, also when this process is killed.
 * @throws ConsumerError when it cannot be written: the file is as it was.
 */
export async function deliver(consumer: string, file: string, owner: Owner | undefined, target: RollTarget) {
  const full = path.resolve(file);
  const folder = path.dirname(full);
  // Always the same name, so that a killed run leaves at most one such file, which the next one replaces.
  const temporary = path.join(folder, `.${path.basename(full)}.rotation-tmp`);
  try {
    await rm(temporary, { force: true });
    await writeNew(temporary, fileContent(target), owner);
    await rename(temporary, full);
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    const code = errorCode(error);
    const reason = code === "EPERM" && owner ? `it cannot be given to ${owner.uid}:${owner.gid}` : REASONS[code];
    throw new ConsumerError(
      `Consumer "${consumer}": the credential file "${file}" could not be written: ` +
        `${reason ?? "the system refused"} (${code || "no code"}). It is as it was, and the process was not touched. ` +
        `The folder must exist, and who runs pulumi must be allowed to write in it` +
        `${owner ? " and to change the owner of a file" : ""}. Then run pulumi up again.`,
    );
  }
}

async function writeNew(file: string, content: string, owner: Owner | undefined): Promise<void> {
  // "wx" does not follow a link that somebody put there.
  const handle = await open(file, "wx", 0o600);
  try {
    await handle.chmod(0o600);
    await handle.writeFile(content);
    if (owner) await handle.chown(owner.uid, owner.gid);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the new name durable. Not every file system can; the content itself is already safe. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    await handle.sync().finally(() => handle.close());
  } catch {
    return;
  }
}
