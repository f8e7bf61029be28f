/** Keys as an application reads them from the file store: what is current, and any other version by its key id. */
import { NotFoundError } from "../../provider/lifecycle/errors";
import { Runtime } from "../../provider/runtime";
import type { Key, KeySource } from "../../examples/keys/keyring";

export async function storedKeys(path: string, keyFile: string): Promise<KeySource> {
  const store = await new Runtime(() => undefined).store({ type: "file", path, key: { keyFile } });
  return {
    current: async () => (await store.read("current")).value as unknown as Key,
    byId: async (keyId) => {
      for (const ref of await store.list()) {
        if (!keyId.startsWith(`v${ref.version}-`)) continue;
        try {
          const { value } = await store.read(ref);
          if (value["keyId"] === keyId) return value as unknown as Key;
        } catch (error) {
          if (!(error instanceof NotFoundError)) throw error;
        }
      }
      return undefined;
    },
  };
}
