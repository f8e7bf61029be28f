/** Puts a public key into the JWKS, and waits until no verifier can have cached the JWKS without it. */
import type { AdapterContext } from "../../contracts/context";
import type { IssueRequest } from "../../contracts/kind";
import { describeDuration } from "../../lifecycle/duration";
import { StateError } from "../../lifecycle/errors";
import { publicJwkOf, type PublicJwk } from "./jwk";
import type { JwksFile } from "./jwksFile";
import { findKey, hasKid, refOf, withKey, type KeySet, type OurKey } from "./keySet";
import { publishWaitMs, type SigningKeyOptions } from "./options";

const PROGRESS_EVERY_MS = 60_000;
/** How often a key that vanishes from the file while we wait is put back. */
const MOST_PUBLICATIONS = 3;

/** May be killed anywhere and called again: the time of publication is in the file, and only what is left is waited. */
export async function publish(
  file: JwksFile,
  options: SigningKeyOptions,
  request: IssueRequest,
  context: AdapterContext,
): Promise<void> {
  const { value, ref } = request.draft;
  const jwk = value && publicJwkOf(value);
  if (!jwk || jwk.kid !== ref["kid"])
    throw new StateError(
      `The draft of ${request.secret} v${request.version} holds no key of the id ${ref["kid"]}. Nothing was published.`,
    );
  for (let publication = 1; publication <= MOST_PUBLICATIONS; publication++) {
    await file.update((found) => added(found, jwk, request, context.clock.now()));
    const published = await seen(file, request);
    if (published) {
      await waitOut(options, published, request, context);
      const still = await seen(file, request);
      if (still?.mark.publishedAt === published.mark.publishedAt) return;
    }
    context.log.warn(`${request.secret}: the key ${jwk.kid} vanished from ${options.jwksFile}; it is published again.`);
  }
  throw new StateError(
    `${request.secret}: the key ${jwk.kid} vanished from ${options.jwksFile} ${MOST_PUBLICATIONS} times while its ` +
      `publication was waited out. Nobody signs with it. Stop whatever else writes that file, then run again.`,
  );
}

function added(found: KeySet | undefined, jwk: PublicJwk, request: IssueRequest, now: number): KeySet {
  const set = found ?? { keys: [] };
  const existing = findKey(set, request.draft.ref);
  if (existing) return existing.enabled ? set : withKey(set, { ...existing, enabled: true });
  if (hasKid(set, jwk.kid))
    throw new StateError(
      `The JWKS has a key of the id ${jwk.kid} that this rotation did not publish. It was left untouched. Remove it if ` +
        `it is nobody's, then run again.`,
    );
  const { identity, rotationId: rotation, version } = request;
  const mark = {
    identity,
    rotation,
    version: String(version),
    publishedAt: now,
    first: found === undefined && request.live.length === 0,
  };
  return withKey(set, { jwk, mark, enabled: true });
}

async function seen(file: JwksFile, { draft }: IssueRequest): Promise<OurKey | undefined> {
  const set = await file.read();
  const key = set && findKey(set, draft.ref);
  return key?.enabled ? key : undefined;
}

/** @throws the signal's reason when the run is cancelled. */
async function waitOut(
  options: SigningKeyOptions,
  { jwk, mark }: OurKey,
  request: IssueRequest,
  { clock, log, signal }: AdapterContext,
): Promise<void> {
  const waitMs = mark.first ? 0 : publishWaitMs(options);
  // By a clock that was set back meanwhile it could be longer.
  const until = Math.min(mark.publishedAt, clock.now()) + waitMs;
  for (let left = until - clock.now(); left > 0; left = until - clock.now()) {
    log.info(
      `${request.secret}: v${request.version} (${refOf({ jwk, mark })["kid"]}) is in ${options.jwksFile} since ` +
        `${new Date(mark.publishedAt).toISOString()}; signing waits ${describeDuration(left)} more, until every cache has it.`,
    );
    await clock.sleep(Math.min(left, PROGRESS_EVERY_MS), signal);
  }
  signal.throwIfAborted();
}
