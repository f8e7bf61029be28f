/**
 * An issuer in memory, for tests of the rotation itself: it keeps its credentials by name for the life of the process,
 * and can be told to be down, to lose replies, or to let a credential be used.
 */
import { randomBytes } from "node:crypto";
import type { IssuedRef, SecretValue } from "../provider/contracts/context";
import type {
  CredentialKind,
  Draft,
  InspectedCredential,
  Issued,
  IssueRequest,
  ProposeRequest,
  RefusalReport,
  RevokeOptions,
  UsageReport,
  Verification,
} from "../provider/contracts/kind";
import { NotFoundError, StateError, UnreachableError } from "../provider/lifecycle/errors";

export interface MemoryCredential {
  readonly name: string;
  readonly identity: string;
  readonly rotationId: string;
  password: string;
  enabled: boolean;
  /** Whether the credential can do what its consumers need, as far as a log-in shows. */
  works: boolean;
  readonly users: Set<string>;
  /** When it was last used, in ms since the epoch. Absent: never. */
  lastUsedAt?: number;
  /** Log-ins that were refused, by whom and when. Absent: none. */
  refused?: { readonly by: string; readonly since: number }[];
}

export interface MemoryIssuer {
  readonly credentials: Map<string, MemoryCredential>;
  /** Every call in order, as `issue v2`. */
  readonly calls: string[];
  down: boolean;
  /** Whether it chooses the values itself. */
  minted: boolean;
  /** What the next issued credentials are: `false` makes them fail to log in. */
  issuesWorking: boolean;
  /** Whether it can tell who uses a credential. */
  tellsUse: boolean;
  /** Whether its record shows when a credential was last used. */
  recordsUse: boolean;
  /** Whether it tells of log-ins that it refused. `closed`: it should, and cannot be asked. */
  tellsRefusals: boolean | "closed";
}

const issuers = new Map<string, MemoryIssuer>();

export function memoryIssuer(name: string): MemoryIssuer {
  let issuer = issuers.get(name);
  if (!issuer) {
    issuer = {
      credentials: new Map(),
      calls: [],
      down: false,
      minted: false,
      issuesWorking: true,
      tellsUse: true,
      recordsUse: false,
      tellsRefusals: false,
    };
    issuers.set(name, issuer);
  }
  return issuer;
}

export function resetMemoryIssuers(): void {
  issuers.clear();
}

export interface MemoryKindOptions {
  readonly type: "memory";
  readonly name: string;
  /** Changing it makes a new version. */
  readonly grants?: readonly string[];
}

export function createMemoryKind(options: MemoryKindOptions): CredentialKind {
  const issuer = memoryIssuer(options.name);
  const answer = (call: string): void => {
    issuer.calls.push(call);
    if (issuer.down) throw new UnreachableError(`The issuer ${options.name} does not answer.`);
  };
  const find = (ref: IssuedRef): MemoryCredential | undefined => issuer.credentials.get(ref["name"] ?? "");
  const make = (request: ProposeRequest, name: string, password: string): MemoryCredential => ({
    name,
    identity: request.identity,
    rotationId: request.rotationId,
    password,
    enabled: true,
    works: issuer.issuesWorking,
    users: new Set(),
  });
  const valueOf = (credential: MemoryCredential): SecretValue => ({
    username: credential.name,
    password: credential.password,
  });

  return {
    type: "memory",
    capabilities: {
      overlap: "versioned",
      value: issuer.minted ? "minted" : "chosen",
      canDisable: true,
      hasLastUsed: issuer.recordsUse,
      seesRefusals: issuer.tellsRefusals !== false,
      maxLive: 2,
    },
    async propose(request): Promise<Draft> {
      const name = `${request.secret}-v${request.version}-${request.rotationId}`;
      if (issuer.minted) return { ref: { name } };
      return { ref: { name }, value: { username: name, password: randomBytes(12).toString("hex") } };
    },
    async issue(request: IssueRequest): Promise<Issued> {
      answer(`issue v${request.version}`);
      const name = request.draft.ref["name"] ?? "";
      const password = request.draft.value?.["password"] ?? randomBytes(12).toString("hex");
      const existing = issuer.credentials.get(name);
      if (existing && !issuer.minted) existing.password = password;
      const credential = existing ?? make(request, name, password);
      issuer.credentials.set(name, credential);
      return { ref: { name }, value: valueOf(credential) };
    },
    async verify(value): Promise<Verification> {
      answer("verify");
      const credential = issuer.credentials.get(value["username"] ?? "");
      if (!credential) return { works: false, detail: "no such credential" };
      if (!credential.enabled) return { works: false, detail: "it is disabled" };
      if (credential.password !== value["password"]) return { works: false, detail: "wrong password" };
      return credential.works ? { works: true, detail: "logged in" } : { works: false, detail: "it lacks a right" };
    },
    async inspect(identity): Promise<readonly InspectedCredential[]> {
      answer("inspect");
      return [...issuer.credentials.values()]
        .filter((credential) => credential.identity === identity)
        .map(({ name, rotationId, enabled }) => ({ ref: { name }, rotationId, enabled }));
    },
    async usage(ref): Promise<UsageReport> {
      answer("usage");
      if (!issuer.tellsUse) return { verdict: "unknown", uses: [] };
      const credential = find(ref);
      const uses = [...(credential?.users ?? [])].map((by) => ({ by }));
      if (uses.length > 0) return { verdict: "used", uses };
      if (issuer.recordsUse) return { verdict: "unused", uses, since: credential?.lastUsedAt ?? 0 };
      return { verdict: "not-seen", uses };
    },
    async refusals(ref, since): Promise<RefusalReport> {
      answer("refusals");
      if (issuer.tellsRefusals === "closed") return { verdict: "unknown", uses: [], detail: "its record is closed" };
      const uses = (find(ref)?.refused ?? []).filter((attempt) => attempt.since >= since);
      return { verdict: uses.length > 0 ? "refused" : "none", uses };
    },
    async disable(ref) {
      answer(`disable ${ref["name"] ?? ""}`);
      setEnabled(find(ref), false);
    },
    async enable(ref) {
      answer(`enable ${ref["name"] ?? ""}`);
      setEnabled(find(ref), true);
    },
    async revoke(ref, { terminateSessions }: RevokeOptions) {
      answer(`revoke ${ref["name"] ?? ""}`);
      const credential = find(ref);
      if (!credential) return;
      if (credential.users.size > 0 && !terminateSessions)
        throw new StateError(`${credential.name} is in use by ${[...credential.users].join(", ")}.`);
      issuer.credentials.delete(credential.name);
    },
    async adopt(value): Promise<Issued> {
      answer("adopt");
      const credential = issuer.credentials.get(value["username"] ?? "");
      if (!credential || credential.password !== value["password"])
        throw new StateError("The credential to adopt does not work.");
      return { ref: { name: credential.name, adopted: "true" }, value: valueOf(credential) };
    },
    async close() {},
  };
}

function setEnabled(credential: MemoryCredential | undefined, enabled: boolean): void {
  if (!credential) throw new NotFoundError("There is no such credential.");
  credential.enabled = enabled;
}
