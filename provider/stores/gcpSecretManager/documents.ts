/** Documents of ours as payloads: JSON, compressed, and cut into parts where it is larger than one payload may be. */
import { gunzip, gzip } from "node:zlib";
import { promisify } from "node:util";
import { StateError } from "../../lifecycle/errors";

/** https://cloud.google.com/secret-manager/quotas */
export const MAX_PAYLOAD_BYTES = 65_536;

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** @returns the parts, each of which fits into a payload. */
export async function encodeDocument(document: unknown): Promise<readonly Buffer[]> {
  const bytes = await compress(JSON.stringify(document));
  const parts: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += MAX_PAYLOAD_BYTES)
    parts.push(bytes.subarray(start, start + MAX_PAYLOAD_BYTES));
  return parts;
}

/** @param what for the error: "the ledger", "version 7". */
export async function decodeDocument(parts: readonly Buffer[], what: string, location: string): Promise<unknown> {
  try {
    return JSON.parse((await decompress(Buffer.concat(parts))).toString("utf8"));
  } catch {
    // Not passed on: an error of JSON.parse quotes the text.
    throw new StateError(
      `In ${location} the content of ${what} is damaged, or was not written by this package. Nothing was changed.`,
    );
  }
}
