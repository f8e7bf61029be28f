/** Events of the file system: a hint to look at once. They get lost on some file systems, so nobody relies on them. */
import { watch, type FSWatcher } from "node:fs";

/** @param concerns whether a changed name in the folder matters. @returns what ends it */
export function watchFolder(folder: string, concerns: (name: string) => boolean, changed: () => void): () => void {
  let watcher: FSWatcher;
  try {
    watcher = watch(folder, { persistent: false }, (_event, name) => {
      if (name === null || concerns(name)) changed();
    });
  } catch {
    // It is not there yet, or the system allows no more watches.
    return () => undefined;
  }
  watcher.on("error", () => {
    watcher.close();
  });
  return () => {
    watcher.close();
  };
}
