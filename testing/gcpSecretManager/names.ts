/**
 * Names of resources: `projects/P/secrets/S/versions/V`, and with `locations/L` after the project for a regional secret.
 * https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.locations.secrets.versions
 */
import { StatusError } from "./status";

export interface SecretName {
  readonly project: string;
  readonly location: string | undefined;
  readonly secret: string;
}

export interface VersionName extends SecretName {
  /** A number, `latest` or an alias. */
  readonly version: string;
}

const PARENT = /^projects\/([^/]+)(?:\/locations\/([^/]+))?$/;
const SECRET = /^projects\/([^/]+)(?:\/locations\/([^/]+))?\/secrets\/([^/]+)$/;
const VERSION = /^projects\/([^/]+)(?:\/locations\/([^/]+))?\/secrets\/([^/]+)\/versions\/([^/]+)$/;

export function parseParent(name: string): Omit<SecretName, "secret"> {
  const [, project = "", location] = match(PARENT, name);
  return { project, location };
}

export function parseSecret(name: string): SecretName {
  const [, project = "", location, secret = ""] = match(SECRET, name);
  return { project, location, secret };
}

export function parseVersion(name: string): VersionName {
  const [, project = "", location, secret = "", version = ""] = match(VERSION, name);
  return { project, location, secret, version };
}

/** Answers name the project by its number, also where the request named it by its id. */
export function secretName({ project, location, secret }: SecretName): string {
  return `projects/${projectNumber(project)}${location === undefined ? "" : `/locations/${location}`}/secrets/${secret}`;
}

/** The number of a project; made up from its id, always the same. A number stands for itself. */
export function projectNumber(project: string): string {
  if (/^\d+$/.test(project)) return project;
  let number = 7;
  for (const character of project) number = (number * 31 + (character.codePointAt(0) ?? 0)) % 1_000_000_007;
  return String(100_000_000_000 + number);
}

function match(pattern: RegExp, name: string): RegExpExecArray {
  const found = pattern.exec(name);
  if (found === null) throw new StatusError("INVALID_ARGUMENT", "The provided resource name is not of a known form.");
  return found;
}
