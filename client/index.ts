/**
 * For applications: a secret that is read, kept, read again when it changes or is refused, and reported.
 *
 * It needs Node.js and nothing else, and loads nothing of the rest of this package.
 */
export { adoptionHandler, adoptionReport, type AdoptionReport, type ReportingSecret } from "./adoption";
export type { ClientClock } from "./clock";
export { SecretError } from "./errors";
export { fromFile } from "./file";
export { fromFolder, type FolderOptions } from "./folder";
export { fromFunction, type FunctionOptions } from "./function";
export { openSecret, type OpenSecretOptions, type Secret, type WorkOptions } from "./secret";
export type { Fields, Reading, ReadRequest, SecretSource, VersionFacts } from "./source";
