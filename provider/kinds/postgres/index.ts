export { createPostgresKind } from "./kind";
export { inputPolicy, postgresOptions, type PostgresOptions, type PostgresOptionsInput } from "./options";
