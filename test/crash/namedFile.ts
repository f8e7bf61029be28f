/**
 * A file store in which a version can be disabled, and in which each promotion makes something named after its epoch,
 * as some of the stores of others do.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SecretStore, VersionRef } from "../../provider/contracts/store";
import * as registry from "../../provider/registry";

export function registerNamedFile(): void {
  const load = registry.stores["file"] as () => Promise<registry.Adapter<SecretStore>>;
  const stores = registry.stores as Record<string, () => Promise<registry.Adapter<SecretStore>>>;
  stores["namedFile"] = async () => {
    const { options, create } = await load();
    const { z } = await import("zod");
    return {
      options: z.preprocess((given) => ({ ...(given as object), type: "file" }), options),
      create: (parsed: never, context) => naming(create(parsed, context), (parsed as { path: string }).path),
    };
  };
}

function naming(store: SecretStore, path: string): SecretStore {
  const marks = join(path, "marks");
  const mark = (name: string) => {
    mkdirSync(marks, { recursive: true });
    writeFileSync(join(marks, name), "");
  };
  const disabledMark = (ref: VersionRef) => `disabled-${ref.token}`;
  return {
    type: "namedFile",
    location: store.location,
    namesEpochs: true,
    load: () => store.load(),
    commit: (body, expected) => store.commit(body, expected),
    putVersion: (version) => store.putVersion(version),
    promote: async (ref, expected, fence, epoch) => {
      const revision = await store.promote(ref, expected, fence, epoch);
      mark(`promoted-${ref.version}-${epoch}`);
      return revision;
    },
    clearCurrent: (fence) => store.clearCurrent(fence),
    read: (selector) => store.read(selector),
    readPayload: () => store.readPayload(),
    list: () => store.list(),
    disable: async (ref) => mark(disabledMark(ref)),
    enable: async (ref) => rmSync(join(marks, disabledMark(ref)), { force: true }),
    retire: async (ref) => {
      await store.retire(ref);
      rmSync(join(marks, disabledMark(ref)), { force: true });
    },
    close: () => store.close(),
  };
}
