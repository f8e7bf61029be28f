/** Chooses name and password of a new version, without asking the server. */
import type { Draft, ProposeRequest } from "../../contracts/kind";
import { StateError } from "../../lifecycle/errors";
import { credential } from "./endpoint";
import { type Mark, refOf } from "./mark";
import { prefixFromSecret, versionedRoleName } from "./naming";
import type { PostgresOptions } from "./options";
import { newPassword } from "./scram";

export function propose(options: PostgresOptions, request: ProposeRequest): Draft {
  const role = options.users ? restingUser(options.users, request) : versionedName(options, request);
  return {
    ref: refOf(role, markFor(options, request)),
    value: credential(options, options.tls, role, newPassword()),
  };
}

export function markFor(options: PostgresOptions, request: ProposeRequest): Mark {
  return {
    identity: request.identity,
    rotation: request.rotationId,
    version: String(request.version),
    owner: options.owner,
    memberOf: options.memberOf,
    assumeOwner: options.assumeOwner,
  };
}

function versionedName(options: PostgresOptions, request: ProposeRequest): string {
  const prefix = options.rolePrefix ?? prefixFromSecret(request.secret);
  return versionedRoleName(prefix, request.version, request.rotationId);
}

/** The one of the two users whose turn it is: not in use by a live version. */
function restingUser(users: readonly [string, string], request: ProposeRequest): string {
  const live = new Set(request.live.map((ref) => ref["role"]));
  const resting = users.find((user) => !live.has(user));
  if (resting !== undefined) return resting;
  throw new StateError(
    `Both users of ${request.secret}, ${users.join(" and ")}, are in use by live versions, so none can get a new ` +
      `password. Nothing was changed. Let the superseded version be retired first.`,
  );
}
