/** The options that everything in Google Cloud has in common. */
import { z } from "zod";
import { describeValue, flag } from "../options";

/** https://cloud.google.com/resource-manager/docs/creating-managing-projects; older projects belong to a domain. */
const PROJECT = /^(?:(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|\d{6,20})$/;
const REGION = /^[a-z]+(?:-[a-z]+)+\d+$/;
const ENDPOINT = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):(\d{1,5})$/;
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

export function matching(pattern: RegExp, wanted: string) {
  const error = (issue: { readonly input?: unknown }) => `${wanted}; it is ${describeValue(issue.input)}`;
  return z.string({ error }).regex(pattern, { error });
}

export const gcpProject = matching(
  PROJECT,
  'project must be the id of a Google Cloud project such as "shop-prod", or its number',
);

export const gcpRegion = (what: string) =>
  matching(REGION, `${what} must be a Google Cloud region such as "europe-west3"`);

export const gcpEndpoint = (what = "endpoint") => matching(ENDPOINT, `${what} must be "host:port"`);

export const gcpInsecure = flag("insecure");

/** @returns what is wrong with `insecure`, if anything is. */
export function insecureComplaint(endpoint: string | undefined, what = "endpoint"): string | undefined {
  if (LOOPBACK.test(hostOf(endpoint ?? ""))) return undefined;
  return (
    `insecure is for an emulator on this machine only: ${what} must then be on localhost, 127.0.0.1 or [::1]; it is ` +
    describeValue(endpoint)
  );
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Of a text that {@link gcpEndpoint} has let through. */
export function parseEndpoint(endpoint: string): Address {
  return { host: hostOf(endpoint), port: Number(ENDPOINT.exec(endpoint)?.[2]) };
}

function hostOf(endpoint: string): string {
  return ENDPOINT.exec(endpoint)?.[1] ?? "";
}
