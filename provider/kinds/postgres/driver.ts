/** Loads `pg` when it is first needed: only programs that rotate PostgreSQL credentials have to install it. */
import type * as Pg from "pg";
import { ConfigurationError } from "../../lifecycle/errors";

export type Driver = typeof Pg;

export async function loadDriver(load: () => Promise<unknown> = () => import("pg")): Promise<Driver> {
  try {
    const loaded = (await load()) as Driver & { readonly default?: Driver };
    return loaded.default ?? loaded;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "MODULE_NOT_FOUND" && code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new ConfigurationError(
      `PostgreSQL credentials need the package "pg", which is not installed. Run: npm install pg`,
    );
  }
}
