/**
 * What every credential kind must do, as a list of cases for any test framework:
 *
 *     for (const { name, run } of kindConformance(harness)) it(name, run);
 *
 * Each case starts from a subject of its own. Where a kind differs, it says so as data (its capabilities and
 * {@link KindDeviations}), and the case asks for what then holds; no case is skipped because it fails.
 */
import * as assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { inspect, isDeepStrictEqual } from "node:util";
import type { IssuedRef, SecretValue } from "../provider/contracts/context";
import type { CredentialKind, Issued, IssueRequest, ProposeRequest } from "../provider/contracts/kind";
import { ConflictError, UnreachableError } from "../provider/lifecycle/errors";

export interface ConformanceCase {
  /** A sentence on the behaviour. */
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** A kind with an issuer on which nothing of this identity exists. */
export interface KindSubject {
  readonly kind: CredentialKind;
  /** A second instance against the same issuer, as another process would have it. */
  another(): CredentialKind;
  /** The same kind, configured for an issuer that does not answer. */
  unreachable(): CredentialKind;
  /** The value as that unreachable issuer would have issued it, where it says where to log in. Default: unchanged. */
  misdirect?(value: SecretValue): SecretValue;
  /** The names of the value's fields that are secret, such as `["password", "url"]`. */
  readonly secretFields: readonly string[];
  /** The same credential with a wrong secret in it. */
  falsify(value: SecretValue): SecretValue;
  /** Begins to use the credential, as a consumer would. Absent where a use leaves no trace. */
  use?(value: SecretValue): Promise<{ end(): Promise<void> }>;
  /** A credential that exists and was not issued by the kind: its value, in the form that `adopt` takes. */
  existing?(): Promise<Readonly<Record<string, string>>>;
  /** Lines that the kind has logged, if they can be had: they are searched for secrets. */
  logged?(): readonly string[];
  /** Releases everything, the kinds included. */
  dispose(): Promise<void>;
}

export interface KindDeviations {
  /** How long a credential may take until it works or no longer works, in ms. Default 0. */
  readonly settlesWithinMs?: number;
  /** Whether an open use goes on after `disable`. It then must be ended by `revoke`. Default true. */
  readonly useSurvivesDisable?: boolean;
  /** Whether `revoke` refuses while the credential is in use, unless uses are to be ended. Default true. */
  readonly revokeRefusesWhileUsed?: boolean;
  /**
   * Whether issuing again for a rotation makes another credential in place of the one before, because the issuer tells a
   * value only once and takes no token of ours. Of two issues at the same time one may then end in a ConflictError.
   * Default false.
   */
  readonly reissueReplaces?: boolean;
}

export interface KindHarness {
  subject(): Promise<KindSubject>;
  readonly deviations?: KindDeviations;
}

export function kindConformance(harness: KindHarness): ConformanceCase[] {
  const deviations: Required<KindDeviations> = {
    settlesWithinMs: 0,
    useSurvivesDisable: true,
    revokeRefusesWhileUsed: true,
    reissueReplaces: false,
    ...harness.deviations,
  };
  return CASES.map(({ name, check }) => ({
    name,
    run: async () => {
      const subject = await harness.subject();
      try {
        await check(new Scene(subject, deviations));
      } finally {
        await subject.dispose();
      }
    },
  }));
}

const INSPECT_ALL = { depth: 10, showHidden: true, maxStringLength: null, maxArrayLength: null } as const;
const KEEP = { terminateSessions: false };
const END = { terminateSessions: true };

/** One secret of the subject, with short words for what the cases do again and again. */
class Scene {
  readonly identity = randomUUID();
  private nextVersion = 1;

  constructor(
    readonly subject: KindSubject,
    readonly deviations: Required<KindDeviations>,
  ) {}

  get kind(): CredentialKind {
    return this.subject.kind;
  }

  request(...live: IssuedRef[]): ProposeRequest {
    const version = this.nextVersion++;
    return { secret: "Conformance secret", identity: this.identity, rotationId: randomUUID(), version, live };
  }

  async draft(...live: IssuedRef[]): Promise<IssueRequest> {
    const request = this.request(...live);
    return { ...request, draft: await this.kind.propose(request) };
  }

  async issue(...live: IssuedRef[]): Promise<Issued & { readonly request: IssueRequest }> {
    const request = await this.draft(...live);
    return { ...(await this.kind.issue(request)), request };
  }

  /** Waits no longer than the issuer is allowed to take. */
  async expectWorks(works: boolean, { value, ref }: Pick<Issued, "value" | "ref">, why: string): Promise<void> {
    const until = Date.now() + this.deviations.settlesWithinMs;
    for (;;) {
      const verification = await this.kind.verify(value, ref);
      if (verification.works === works) return;
      if (Date.now() >= until) assert.fail(`${why}, but verify says: ${verification.detail}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  misdirected(value: SecretValue): SecretValue {
    return this.subject.misdirect?.(value) ?? value;
  }

  secretsOf(value: SecretValue): string[] {
    return this.subject.secretFields.flatMap((field) => {
      const secret = value[field];
      assert.ok(secret, `the value has no field ${field}, which the harness calls secret`);
      return [secret, encodeURIComponent(secret)];
    });
  }
}

function assertNoSecret(text: string, secrets: readonly string[], where: string): void {
  for (const secret of secrets) {
    // Not `assert.doesNotMatch`: its message would show the secret.
    assert.ok(!text.includes(secret), `${where} contains a secret value`);
  }
}

/** Everything that a caller could print of a result or an error, its hidden parts included. */
async function outcome(call: () => Promise<unknown>): Promise<string> {
  try {
    return inspect(await call(), INSPECT_ALL);
  } catch (error) {
    return inspect(error, INSPECT_ALL) + String(error);
  }
}

/** Where one issue takes the place of the other: what those that were not disturbed came to. */
async function whatWasIssued(issues: readonly Promise<Issued>[]): Promise<Issued[]> {
  const ends = await Promise.allSettled(issues);
  for (const end of ends)
    if (end.status === "rejected") assert.ok(end.reason instanceof ConflictError, String(end.reason));
  return ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
}

interface Case {
  readonly name: string;
  readonly check: (scene: Scene) => Promise<void>;
}

const CASES: readonly Case[] = [
  {
    name: "proposing a version changes nothing at the issuer and says the name of the version without its secret",
    async check(scene) {
      const { draft } = await scene.draft();
      assert.deepEqual(await scene.kind.inspect(scene.identity), []);
      assert.equal(draft.value !== undefined, scene.kind.capabilities.value === "chosen");
      if (draft.value) assertNoSecret(JSON.stringify(draft.ref), scene.secretsOf(draft.value), "the reference");
    },
  },
  {
    name: "proposing needs no issuer that answers",
    async check(scene) {
      await scene.subject.unreachable().propose(scene.request());
    },
  },
  {
    name: "an issued version works and is found at the issuer with its rotation id",
    async check(scene) {
      const issued = await scene.issue();
      await scene.expectWorks(true, issued, "the version was just issued");
      const found = await scene.kind.inspect(scene.identity);
      assert.deepEqual(found, [{ ref: issued.ref, rotationId: issued.request.rotationId, enabled: true }]);
    },
  },
  {
    name: "issuing again for the same rotation id gives the same credential, or one in its place, also from another process",
    async check(scene) {
      const first = await scene.issue();
      const again = await scene.subject.another().issue(first.request);
      if (scene.deviations.reissueReplaces)
        await scene.expectWorks(false, first, "another one was issued in its place");
      else assert.deepEqual(again.ref, first.ref);
      if (scene.kind.capabilities.value === "chosen") assert.deepEqual(again.value, first.value);
      await scene.expectWorks(true, again, "the version was issued again");
      assert.equal((await scene.kind.inspect(scene.identity)).length, 1);
    },
  },
  {
    name: "two issues of the same rotation at the same time end in one working credential",
    async check(scene) {
      const request = await scene.draft();
      const issues = [scene.kind.issue(request), scene.subject.another().issue(request)];
      const issued = scene.deviations.reissueReplaces ? await whatWasIssued(issues) : await Promise.all(issues);
      const left = await scene.kind.inspect(scene.identity);
      assert.equal(left.length, 1);
      const counts = issued.filter(({ ref }) => isDeepStrictEqual(ref, left[0]?.ref));
      assert.equal(counts.length, scene.deviations.reissueReplaces ? 1 : 2);
      for (const one of counts.slice(0, 1)) await scene.expectWorks(true, one, "the version was issued");
    },
  },
  {
    name: "the live version keeps working while and after the next one is issued",
    async check(scene) {
      const first = await scene.issue();
      const second = await scene.issue(first.ref);
      assert.notDeepEqual(second.ref, first.ref);
      await scene.expectWorks(true, first, "it is live");
      await scene.expectWorks(true, second, "it was just issued");
    },
  },
  {
    name: "a wrong secret is reported as not working, and is no error",
    async check(scene) {
      const issued = await scene.issue();
      const wrong = { ref: issued.ref, value: scene.subject.falsify(issued.value) };
      await scene.expectWorks(false, wrong, "the secret is wrong");
    },
  },
  {
    name: "a version whose issue was interrupted is found by the secret's identity, and by no other",
    async check(scene) {
      const orphan = await scene.issue();
      const seen = await scene.subject.another().inspect(scene.identity);
      assert.deepEqual(
        seen.map((credential) => credential.rotationId),
        [orphan.request.rotationId],
      );
      assert.deepEqual(await scene.kind.inspect(randomUUID()), []);
      for (const { ref } of seen) await scene.kind.revoke(ref, END);
      assert.deepEqual(await scene.kind.inspect(scene.identity), []);
    },
  },
  {
    name: "a disabled version does not work until it is enabled again, where the issuer can do that",
    async check(scene) {
      const issued = await scene.issue();
      if (!scene.kind.capabilities.canDisable) return assert.rejects(scene.kind.disable(issued.ref), Error);
      for (let time = 0; time < 2; time++) await scene.kind.disable(issued.ref);
      await scene.expectWorks(false, issued, "it is disabled");
      assert.equal((await scene.kind.inspect(scene.identity))[0]?.enabled, false);
      for (let time = 0; time < 2; time++) await scene.kind.enable(issued.ref);
      await scene.expectWorks(true, issued, "it is enabled again");
      assert.equal((await scene.kind.inspect(scene.identity))[0]?.enabled, true);
    },
  },
  {
    name: "what is absent cannot be disabled or enabled",
    async check(scene) {
      const { draft } = await scene.draft();
      await assert.rejects(scene.kind.disable(draft.ref), Error);
      await assert.rejects(scene.kind.enable(draft.ref), Error);
    },
  },
  {
    name: "a revoked version is dead and gone, and the other one goes on working",
    async check(scene) {
      const first = await scene.issue();
      const second = await scene.issue(first.ref);
      await scene.kind.revoke(first.ref, KEEP);
      await scene.expectWorks(false, first, "it was revoked");
      await scene.expectWorks(true, second, "it is live");
      const left = await scene.kind.inspect(scene.identity);
      assert.deepEqual(
        left.map((credential) => credential.rotationId),
        [second.request.rotationId],
      );
    },
  },
  {
    name: "revoking again, and revoking what never was, succeeds",
    async check(scene) {
      const issued = await scene.issue();
      await scene.kind.revoke(issued.ref, KEEP);
      await scene.kind.revoke(issued.ref, KEEP);
      const { draft } = await scene.draft();
      await scene.kind.revoke(draft.ref, KEEP);
    },
  },
  {
    name: "revoking an earlier version again does not touch a later one, whatever names they have",
    async check(scene) {
      const first = await scene.issue();
      const second = await scene.issue(first.ref);
      await scene.kind.revoke(first.ref, KEEP);
      const third = await scene.issue(second.ref);
      await scene.kind.revoke(first.ref, END);
      if (scene.kind.capabilities.canDisable) await scene.kind.disable(first.ref).catch(() => undefined);
      await scene.expectWorks(true, second, "it is live");
      await scene.expectWorks(true, third, "only an earlier version was revoked");
      await scene.expectWorks(false, first, "it was revoked");
    },
  },
  {
    name: "a version in use is reported as used, and is never reported as unused while it is",
    async check(scene) {
      const issued = await scene.issue();
      if (!scene.subject.use) {
        // A use leaves no trace: then there must be no claim that there is none.
        assert.equal((await scene.kind.usage(issued.ref)).verdict, "unknown");
        return;
      }
      const use = await scene.subject.use(issued.value);
      try {
        const report = await scene.kind.usage(issued.ref);
        assert.equal(report.verdict, "used");
        assert.ok(report.uses.length > 0, "a use has a line that says who it is");
      } finally {
        await use.end();
      }
      assert.notEqual((await scene.kind.usage((await scene.issue(issued.ref)).ref)).verdict, "used");
    },
  },
  {
    name: "a log-in that is refused while a version is disabled is told, where the kind says that it sees those",
    async check(scene) {
      const { canDisable, seesRefusals } = scene.kind.capabilities;
      assert.equal(seesRefusals, scene.kind.refusals !== undefined && seesRefusals, "it has to be able to tell");
      if (!canDisable || !seesRefusals || !scene.kind.refusals) return;
      const issued = await scene.issue();
      const since = Date.now() - 1;
      await scene.kind.disable(issued.ref);
      assert.notEqual((await scene.kind.refusals(issued.ref, since)).verdict, "refused");
      await scene.expectWorks(false, issued, "it is disabled");
      const report = await scene.kind.refusals(issued.ref, since);
      assert.equal(report.verdict, "refused");
      assert.ok(report.uses.length > 0, "a refusal has a line that says who it was");
      assert.notEqual((await scene.kind.refusals(issued.ref, Date.now() + 1_000)).verdict, "refused");
    },
  },
  {
    name: "verifying a version is not taken for a use of it",
    async check(scene) {
      const issued = await scene.issue();
      await scene.expectWorks(true, issued, "the version was just issued");
      if (scene.kind.capabilities.hasLastUsed) return; // A log-in is a use in an issuer's own record.
      assert.notEqual((await scene.kind.usage(issued.ref)).verdict, "used");
    },
  },
  {
    name: "a version in use is revoked only when its uses may be ended, and is dead then",
    async check(scene) {
      const issued = await scene.issue();
      const use = await scene.subject.use?.(issued.value);
      if (use && scene.deviations.revokeRefusesWhileUsed) {
        await assert.rejects(scene.kind.revoke(issued.ref, KEEP), Error);
        await scene.expectWorks(true, issued, "its revocation was refused");
      }
      if (use && scene.kind.capabilities.canDisable && scene.deviations.useSurvivesDisable) {
        await scene.kind.disable(issued.ref);
        assert.equal((await scene.kind.usage(issued.ref)).verdict, "used");
      }
      await scene.kind.revoke(issued.ref, END);
      await scene.expectWorks(false, issued, "it was revoked");
      await use?.end();
    },
  },
  {
    name: "a credential that exists is adopted unchanged, and is disabled, enabled and revoked like any other",
    async check(scene) {
      const given = await scene.subject.existing?.();
      if (!given || !scene.kind.adopt) {
        assert.ok(!scene.kind.adopt, "a kind that can adopt needs a harness that has something to adopt");
        return;
      }
      const adopted = await scene.kind.adopt(given);
      assertNoSecret(JSON.stringify(adopted.ref), scene.secretsOf(adopted.value), "the reference");
      assert.deepEqual(await scene.kind.adopt(given), adopted);
      await scene.expectWorks(true, adopted, "it was adopted");
      const next = await scene.issue(adopted.ref);
      await scene.expectWorks(true, adopted, "it is live");
      if (scene.kind.capabilities.canDisable) {
        await scene.kind.disable(adopted.ref);
        await scene.expectWorks(false, adopted, "it is disabled");
        await scene.kind.enable(adopted.ref);
        await scene.expectWorks(true, adopted, "it is enabled again");
      }
      await scene.kind.revoke(adopted.ref, KEEP);
      await scene.expectWorks(false, adopted, "it was revoked");
      await scene.expectWorks(true, next, "it is live");
    },
  },
  {
    name: "no reference, report, log line or error contains a secret",
    async check(scene) {
      const issued = await scene.issue();
      const wrong = scene.subject.falsify(issued.value);
      const existing = await scene.subject.existing?.();
      const use = await scene.subject.use?.(issued.value);
      const { kind } = scene;
      const outcomes = [
        await outcome(() => kind.inspect(scene.identity)),
        await outcome(() => kind.usage(issued.ref)),
        await outcome(() => kind.verify(issued.value, issued.ref)),
        await outcome(() => kind.verify(wrong, issued.ref)),
        await outcome(() => kind.revoke(issued.ref, KEEP)),
        await outcome(async () => (await kind.adopt?.(wrong))?.ref),
        ...(existing ? [await outcome(async () => (await kind.adopt?.(existing))?.ref)] : []),
        await outcome(() => kind.issue({ ...issued.request, rotationId: randomUUID() }).then(({ ref }) => ref)),
        await outcome(() => scene.subject.unreachable().verify(scene.misdirected(issued.value), issued.ref)),
        await outcome(async () => (await scene.subject.unreachable().issue(issued.request)).ref),
      ];
      await use?.end();
      await kind.revoke(issued.ref, END);
      outcomes.push(
        await outcome(() => kind.disable(issued.ref)),
        await outcome(() => kind.verify(issued.value, issued.ref)),
      );
      const secrets = [...scene.secretsOf(issued.value), ...scene.secretsOf(wrong)];
      for (const field of scene.subject.secretFields) if (existing?.[field]) secrets.push(existing[field]);
      for (const text of [...outcomes, ...(scene.subject.logged?.() ?? [])])
        assertNoSecret(text, secrets, "an outcome");
    },
  },
  {
    name: "an issuer that does not answer is an UnreachableError for every step, and never an unhealthy credential",
    async check(scene) {
      const issued = await scene.issue();
      const gone = scene.subject.unreachable();
      const steps: Record<string, () => Promise<unknown>> = {
        issue: () => gone.issue(issued.request),
        verify: () => gone.verify(scene.misdirected(issued.value), issued.ref),
        inspect: () => gone.inspect(scene.identity),
        usage: () => gone.usage(issued.ref),
        revoke: () => gone.revoke(issued.ref, END),
        ...(gone.capabilities.canDisable && {
          disable: () => gone.disable(issued.ref),
          enable: () => gone.enable(issued.ref),
        }),
      };
      for (const [step, call] of Object.entries(steps)) {
        await assert.rejects(call, UnreachableError, `${step} must throw UnreachableError`);
      }
      await scene.expectWorks(true, issued, "nothing could be changed");
    },
  },
];
