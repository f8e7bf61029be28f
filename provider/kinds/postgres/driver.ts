/** Loads `pg` when it is first needed: only programs that rotate PostgreSQL credentials have to install it. */
import type * as Pg from "pg";
import { loadOptional } from "../../net/optionalPackage";

export type Driver = typeof Pg;

export function loadDriver(load: () => Promise<unknown> = () => import("pg")): Promise<Driver> {
  return loadOptional(
    load,
    `PostgreSQL credentials need the package "pg", which is not installed. Run: npm install pg`,
  );
}
