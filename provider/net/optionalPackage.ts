/** Loads a package that only some programs have to install, when it is first needed. */
import { ConfigurationError } from "../lifecycle/errors";
import { errorCode } from "./networkErrors";

/** @throws ConfigurationError with `missing` where it is not installed. */
export async function loadOptional<T>(load: () => Promise<unknown>, missing: string): Promise<T> {
  try {
    const loaded = (await load()) as T & { readonly default?: T };
    return loaded.default ?? loaded;
  } catch (error) {
    const code = errorCode(error);
    if (code !== "MODULE_NOT_FOUND" && code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new ConfigurationError(missing);
  }
}
