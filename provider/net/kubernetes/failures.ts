/** Turns what the API server or the network says into errors that tell what happened and what to do. */
import { ConfigurationError, RotationError, StateError, UnreachableError } from "../../lifecycle/errors";
import { describeNetworkError } from "../networkErrors";
import * as answers from "./answers";
import { CredentialsUnavailable } from "./client";

/** In the words of RBAC. */
export type Verb = "get" | "list" | "create" | "update" | "patch" | "delete";

/** A kind of object, as people and as RBAC call it. */
export interface Resource {
  /** `Secret` */
  readonly kind: string;
  /** `secrets` */
  readonly plural: string;
  /** `""` for the core group. */
  readonly group: string;
}

export const SECRETS: Resource = { kind: "Secret", plural: "secrets", group: "" };

export interface Request {
  readonly verb: Verb;
  readonly resource: Resource;
  /** Absent for a list. */
  readonly name?: string;
}

/** What is to be done about a refusal, where only the caller can tell. Each one or more sentences. */
export interface Advice {
  readonly tooLarge: string;
  readonly quota: string;
  /** A webhook or a policy refused it. */
  readonly admission: string;
  readonly invalid: string;
  /** The documentation page that has the Role. */
  readonly rolePage: string;
}

export interface Place {
  /** Who called, as messages begin: the store's location, or a consumer. */
  readonly location: string;
  readonly namespace: string;
  readonly server: string;
  readonly timeout: string;
  readonly advice: Advice;
}

const CERTIFICATE = /CERT|SIGNATURE|ISSUER/;

export function translate(error: unknown, request: Request, place: Place): unknown {
  if (error instanceof RotationError) return error;
  const what = describe(request);
  const outcome = outcomeOf(request);
  if (error instanceof CredentialsUnavailable)
    return new ConfigurationError(
      `${place.location} could not ${what}: ${error.message}. Nothing was changed. Log in to the cluster again or correct the kubeconfig, and try \`kubectl get namespace ${place.namespace}\`.`,
    );
  if (error instanceof answers.NoAnswerInTime)
    return new UnreachableError(
      `${place.location} could not ${what}: ${place.server} did not answer within ${place.timeout}. ${outcome} Run again, or raise \`timeout\` if it is only slow.`,
    );
  if (error instanceof answers.NotTheApi) return notTheApi(what, place);
  const answer = answers.answerIn(error);
  if (answer !== undefined) return refused(answer, request, place);
  return unreachable(error, what, outcome, place);
}

function refused(answer: answers.Answer, request: Request, place: Place): RotationError {
  const { code } = answer;
  const { location, namespace, advice } = place;
  const what = `${location} could not ${describe(request)}`;
  const admission = answers.admissionOf(answer);
  if (code === 401)
    return new ConfigurationError(
      `${what}: the API server does not accept the credentials of the kubeconfig (401): they have expired or were revoked. Nothing was changed. Log in to the cluster again, then run again.`,
    );
  if (answers.isTooLarge(answer)) return new ConfigurationError(`${what}: it is too large; ${advice.tooLarge}`);
  if (answers.isNamespaceMissing(answer))
    return new ConfigurationError(
      `${what}: the namespace "${namespace}" does not exist. Nothing was changed. Make it (kubectl create namespace ${namespace}) or correct \`namespace\`.`,
    );
  if (answer.causes.some(({ reason }) => reason === "NamespaceTerminating"))
    return new StateError(
      `${what}: the namespace "${namespace}" is being deleted. Nothing was changed. Make it again or name another one.`,
    );
  const quota = answers.quotaOf(answer);
  if (quota !== undefined)
    return new ConfigurationError(
      `${what}: the ResourceQuota "${quota}" of the namespace is used up. Nothing was changed. ${advice.quota}`,
    );
  if (admission !== undefined && code < 500)
    return new ConfigurationError(
      `${what}: the ${admission} refused it (${code}). Nothing was changed. ${advice.admission}`,
    );
  if (code === 403) return forbidden(answer, request, place);
  if (code === 429 || code >= 500) return overloaded(answer, admission, request, place);
  if (code === 422)
    return new ConfigurationError(
      `${what}: the API server refused ${answers.refusedFields(answer) || "a field"} (422). Nothing was changed. ${advice.invalid}`,
    );
  if (answer.reason === undefined) return notTheApi(describe(request), place);
  return new StateError(
    `${what}: the API server answered ${code} ${/^\w+$/.test(answer.reason) ? answer.reason : ""}. ${outcomeOf(request)} Look at the API server's audit log, then run again.`,
  );
}

function forbidden(answer: answers.Answer, { verb, resource, name }: Request, place: Place): ConfigurationError {
  const { location, namespace, advice } = place;
  const { plural, group } = resource;
  const which = name === undefined ? plural : `${plural} "${name}"`;
  const user = answers.userIn(answer);
  return new ConfigurationError(
    `${location}: permission is missing: ${user === undefined ? "the kubeconfig's user" : `user "${user}"`} may not ` +
      `${verb} ${which} (verb "${verb}", resource "${plural}", API group "${group}", namespace "${namespace}"). Nothing was ` +
      `changed. Bind the Role of ${advice.rolePage} to it; check with: kubectl auth can-i ${verb} ` +
      `${plural}${group === "" ? "" : `.${group}`}${name === undefined || verb === "create" ? "" : `/${name}`} -n ${namespace}`,
  );
}

function overloaded(
  { code, retryAfterSeconds }: answers.Answer,
  admission: string | undefined,
  request: Request,
  place: Place,
): UnreachableError {
  const why =
    admission !== undefined
      ? `the ${admission} could not be asked (${code})`
      : code === 429
        ? "the API server has too many requests (429)"
        : `the API server failed (${code})`;
  const later = retryAfterSeconds === undefined ? "" : ` It asked to come back after ${retryAfterSeconds} s.`;
  return new UnreachableError(
    `${place.location} could not ${describe(request)}: ${why}.${later} ${outcomeOf(request)} Run again when it is well.`,
  );
}

function notTheApi(what: string, { location, server }: Place): ConfigurationError {
  return new ConfigurationError(
    `${location} could not ${what}: what answers at ${server} is not a Kubernetes API. Nothing was changed. Correct the server in the kubeconfig, or the proxy in front of it.`,
  );
}

function unreachable(error: unknown, what: string, outcome: string, { location, server }: Place): RotationError {
  const code = answers.networkCode(error);
  // Neither the network nor the server: the client could not read what it got.
  if (code === "")
    return new UnreachableError(
      `${location} could not ${what}: the answer of ${server} could not be read. ${outcome} Run again.`,
    );
  const why =
    CERTIFICATE.test(code) && code !== "ERR_TLS_CERT_ALTNAME_INVALID" && !code.startsWith("CERT_")
      ? `its certificate is not trusted (${code}); the kubeconfig names its authority (certificate-authority-data)`
      : describeNetworkError({ code });
  return new UnreachableError(
    `${location} could not ${what}: ${server} cannot be reached: ${why}. ${outcome} Run again when it can be reached.`,
  );
}

function describe({ verb, resource: { kind }, name }: Request): string {
  return name === undefined ? `${verb} its ${kind}s` : `${verb} the ${kind} "${name}"`;
}

/** What a call that was cut off may have done. Each is safe to repeat. */
function outcomeOf({ verb }: Request): string {
  return verb === "get" || verb === "list"
    ? "Nothing was changed."
    : "It is not known whether this last call took effect; the next run finds out.";
}
