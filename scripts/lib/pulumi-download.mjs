// The official release of the Pulumi CLI: downloaded, checked against its published checksum, unpacked.
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { run } from "./processes.mjs";
import { showProgress } from "./say.mjs";

const RELEASES = "https://get.pulumi.com/releases/sdk";
/** Without internet this must be over in seconds: another way follows. */
const FIRST_ANSWER_MS = 8_000;
const WHOLE_DOWNLOAD_MS = 10 * 60_000;

/**
 * @param {string} folder an empty one; afterwards it holds `pulumi` and its companions
 * @param {string} version
 * @param {string} platform such as "linux-x64"
 * @param {{ alone: boolean }} options
 */
export async function downloadPulumi(folder, version, platform, { alone }) {
  const archive = `pulumi-v${version}-${platform}.tar.gz`;
  const list = await fetchOrSay(`${RELEASES}/pulumi-${version}-checksums.txt`, FIRST_ANSWER_MS);
  const expected = checksumFor(await list.text(), archive);
  if (!expected) throw new Error(`the published checksums of ${version} do not list ${archive}`);

  const stop = showProgress(`Downloading the Pulumi CLI ${version}`, { typical: "under a minute", alone });
  const scratch = join(folder, "download");
  try {
    await mkdir(scratch);
    const file = join(scratch, archive);
    const hash = createHash("sha256");
    const answer = await fetchOrSay(`${RELEASES}/${archive}`, WHOLE_DOWNLOAD_MS);
    await pipeline(
      Readable.fromWeb(answer.body),
      async function* (chunks) {
        for await (const chunk of chunks) {
          hash.update(chunk);
          yield chunk;
        }
      },
      createWriteStream(file),
    );
    const actual = hash.digest("hex");
    if (actual !== expected) {
      throw new Error(`${archive} has the sha256 ${actual} and not the published ${expected}; it was not used`);
    }
    await unpack(file, scratch, folder);
  } finally {
    stop();
    await rm(scratch, { recursive: true, force: true }); // also when another way is taken now
  }
}

/** @param {string} list lines of "<sha256>  <file>" @param {string} file @returns {string | undefined} */
export function checksumFor(list, file) {
  for (const line of list.split("\n")) {
    const [sum, name] = line.trim().split(/\s+\*?/);
    if (name === file && /^[0-9a-f]{64}$/i.test(sum)) return sum.toLowerCase();
  }
  return undefined;
}

async function fetchOrSay(url, limitMs) {
  let answer;
  try {
    answer = await fetch(url, { signal: AbortSignal.timeout(limitMs) });
  } catch (error) {
    throw new Error(`${url} could not be reached: ${error.cause?.code ?? error.cause?.message ?? error.message}`);
  }
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return answer;
}

/** The archive holds one folder, `pulumi`; its files belong into ours. */
async function unpack(archive, scratch, folder) {
  const { code, output } = await run("tar", ["-xzf", archive, "-C", scratch]);
  if (code !== 0) throw new Error(`the archive could not be unpacked with tar: ${output.trim()}`);
  const inner = join(scratch, "pulumi");
  for (const name of await readdir(inner)) await rename(join(inner, name), join(folder, name));
}
