/** Statements that take no parameters (CREATE ROLE, GRANT, …), with every name and literal quoted by the server. */
import type { Session } from "./session";

/**
 * Runs a constant template whose `%I` (names) and `%L` (literals) are filled in by the server's own `format`.
 * @param template Never built from data.
 */
export async function execute(session: Session, template: string, ...args: readonly string[]): Promise<void> {
  const [row] = await session.query<{ statement: string }>(
    `SELECT pg_catalog.format($1, VARIADIC $2::pg_catalog.text[]) AS statement`,
    [template, args],
  );
  if (row) await session.query(row.statement);
}
