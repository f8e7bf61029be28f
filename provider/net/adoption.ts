/** Asks a consumer which version it is connected by, and compares the answer with the target. */
import { z } from "zod";
import type { RollTarget } from "../contracts/consumer";
import type { StoredVersion } from "../contracts/store";
import { parseJson } from "./httpExpectation";
import { askHttp, describeQuestion } from "./httpProbe";
import type { HttpQuestion } from "./httpProbe";
import { redactorFor } from "./redact";

const fingerprint = z.string().min(1).max(200);

/** What a consumer may answer. Further keys are its own business. */
const adoptionReport = z.union([
  z.object({ fingerprints: z.array(fingerprint) }),
  z.object({ fingerprints: z.record(z.string(), z.array(fingerprint)) }),
  z.object({ fingerprint }),
]);

export type AdoptionReport = z.infer<typeof adoptionReport>;

/** @returns `undefined` where the answer says no version. */
export function parseAdoptionReport(answer: unknown): AdoptionReport | undefined {
  return adoptionReport.safeParse(answer).data;
}

const FORMS = '{ "fingerprint": "..." }, { "fingerprints": ["..."] } or { "fingerprints": { "<secret>": ["..."] } }';

export interface AdoptionAnswer {
  readonly adopted: boolean;
  readonly detail: string;
  /** Nothing listens at the address. */
  readonly refused: boolean;
  /** It answered properly, and uses another version. */
  readonly contradicts: boolean;
}

/** Never throws for what the peer does, and ends within `timeoutMs`. */
export async function askAdoption(
  question: HttpQuestion,
  target: RollTarget,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<AdoptionAnswer> {
  const outcome = await askHttp(question, timeoutMs, signal);
  if (!outcome.answered) return unanswered(outcome.detail, outcome.refused);
  const shown = describeQuestion(question);
  const { answer } = outcome;
  if (answer.status < 200 || answer.status > 299) {
    return unanswered(`${shown}: answered ${answer.status}; expected 200 to 299`);
  }
  const parsed = parseJson(answer);
  if ("complaint" in parsed) return unanswered(`${shown}: ${parsed.complaint}`);
  const report = adoptionReport.safeParse(parsed.json);
  if (!report.success) {
    return unanswered(`${shown}: the answer does not say a version; allowed: ${FORMS}`);
  }
  // A consumer may report a password by mistake: what it says is not trusted to be a fingerprint.
  const compared = compareAdoption(report.data, target, redactorFor(target));
  return { ...compared, refused: false, contradicts: !compared.adopted };
}

function unanswered(detail: string, refused = false): AdoptionAnswer {
  return { adopted: false, refused, contradicts: false, detail };
}

/**
 * Adopted means: for each secret of the target its fingerprint is reported, and no other one. A report by name is
 * compared secret by secret, and other secrets in it are ignored; a plain list must be exactly the target's set.
 */
export function compareAdoption(
  report: AdoptionReport,
  target: RollTarget,
  redact: (text: string) => string = (text) => text,
): { readonly adopted: boolean; readonly detail: string } {
  if (target.secrets.length === 0) return { adopted: false, detail: "there is no version to compare with" };
  const show = (fingerprints: readonly string[]) =>
    fingerprints.length === 0 ? "none" : redact([...new Set(fingerprints)].sort().join(", "));
  const wanted = target.secrets.map((secret) => secret.fingerprint);
  const seen = "fingerprint" in report ? [report.fingerprint] : report.fingerprints;
  if (Array.isArray(seen)) {
    const adopted = wanted.every((one) => seen.includes(one)) && seen.every((one) => wanted.includes(one));
    if (adopted) return { adopted, detail: `uses ${target.secrets.map(nameVersion).join(", ")}` };
    return { adopted, detail: `uses the fingerprints ${show(seen)}; wanted exactly ${show(wanted)}` };
  }
  const complaints: string[] = [];
  for (const secret of target.secrets) {
    const used = Object.hasOwn(seen, secret.secret) ? (seen[secret.secret] ?? []) : [];
    if (used.length > 0 && used.every((one) => one === secret.fingerprint)) continue;
    complaints.push(`uses ${show(used)} of "${secret.secret}"; wanted exactly ${secret.fingerprint}`);
  }
  if (complaints.length > 0) return { adopted: false, detail: complaints.join("; ") };
  return { adopted: true, detail: `uses ${target.secrets.map(nameVersion).join(", ")}` };
}

function nameVersion(secret: StoredVersion): string {
  return `v${secret.ref.version} of "${secret.secret}" (${secret.fingerprint})`;
}
