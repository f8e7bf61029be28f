/**
 * Asks every address behind a host name which certificate it serves. One that still serves the former one, or one that
 * has expired, is named.
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { z } from "zod";
import type { Health, HealthCheck } from "../contracts/check";
import type { AdapterContext } from "../contracts/context";
import type { RollTarget } from "../contracts/consumer";
import { describeDuration } from "../lifecycle/duration";
import { ConfigurationError } from "../lifecycle/errors";
import { withDeadline } from "../net/deadline";
import { caFile, readAuthorities } from "../net/httpOptions";
import { describeNetworkError } from "../net/networkErrors";
import { describeValue, duration, durationMs, port, strictOptions, text } from "../net/options";
import { commonCheckOptions, refuseBaseline, toSchedule } from "./schedule";
import { complaintAbout, fetchCertificate, isHex, normalHex, type WantedCertificate } from "./servedCertificate";

/** Consumers are still moving when the watch starts. */
const WITHIN_BY_DEFAULT = "60s";
const DAY = 86_400_000;
/** How many addresses a sentence names. */
const NAMED = 5;

const hex = (what: string, example: string) =>
  text(what, 200).refine(isHex, {
    error: `${what} must be in hexadecimal, with or without colons, such as ${example}`,
  });

export const tlsCheckOptions = strictOptions("a tls check", {
  type: z.literal("tls", { error: 'the type of a tls check must be "tls"' }),
  ...commonCheckOptions,
  ...refuseBaseline("no consumer serves a new certificate before it is rolled"),
  /** Before a consumer is touched none of them can serve the new certificate, so there is nothing to ask. */
  canary: z
    .literal(false, { error: "canary must be left out: no consumer serves a new certificate before it is rolled" })
    .optional(),
  /** A host name, of which every address is asked, or an address. */
  host: text("host", 253),
  port: port("port"),
  /** What to ask in place of the addresses behind `host`, such as those behind a load balancer. */
  addresses: z
    .array(
      z.string().refine((value) => isIP(value) !== 0, {
        error: (issue) => `each of addresses must be an IP address; one is ${describeValue(issue.input)}`,
      }),
      { error: 'addresses must be a list of IP addresses, such as ["10.0.0.7", "10.0.0.8"]' },
    )
    .min(1, { error: "addresses must not be empty" })
    .max(256, { error: "addresses must be at most 256" })
    .optional(),
  /** The name that the certificate has to be good for, sent as SNI. Default: `host`. */
  servername: text("servername", 253).optional(),
  caFile: caFile.optional(),
  /** How long the certificate must still be valid. Default: "0s". */
  minRemaining: duration("minRemaining", 0, 3650 * DAY).optional(),
  /** Of the certificate that has to be served. Default: what the version's `issued.serialNumber` says, if anything. */
  serialNumber: hex("serialNumber", '"0A:1B:2C"').optional(),
  /** SHA-256 of the certificate that has to be served. */
  fingerprint: hex("fingerprint", '"AB:CD:..."')
    .refine((value) => value.replaceAll(":", "").length === 64, {
      error: "fingerprint must be the SHA-256 of the certificate: 64 hexadecimal digits",
    })
    .optional(),
  /** The secret whose `issued.serialNumber` has to be served. Default: the rollout's only one that has such a number. */
  secret: text("secret", 200).optional(),
}).refine((options) => options.secret === undefined || options.serialNumber === undefined, {
  path: ["secret"],
  error: "secret and serialNumber exclude each other: both say which serial number has to be served",
});

export type TlsCheckOptions = z.infer<typeof tlsCheckOptions>;

/** Every address behind a name, as the machine itself would find them. */
export type FindAddresses = (host: string) => Promise<readonly string[]>;

const findAddresses: FindAddresses = async (host) => {
  const found = await lookup(host, { all: true });
  return found.map(({ address }) => address);
};

export function createTlsCheck(
  options: TlsCheckOptions,
  context: AdapterContext,
  find: FindAddresses = findAddresses,
): HealthCheck {
  const schedule = toSchedule(options, WITHIN_BY_DEFAULT);
  return {
    name: options.name ?? `tls ${options.host}:${options.port}`,
    schedule,
    canary: false,
    isEvidence: false,
    async probe(target, signal) {
      const wanted = wantedOf(options, target);
      const authorities = options.caFile === undefined ? undefined : await readAuthorities(options.caFile);
      const probe = { options, wanted, authorities, timeoutMs: schedule.timeoutMs };
      return askAll(probe, find, signal, context);
    },
    close: () => Promise.resolve(),
  };
}

interface Probe {
  readonly options: TlsCheckOptions;
  readonly wanted: WantedCertificate;
  readonly authorities: string | undefined;
  readonly timeoutMs: number;
}

/** In time, whatever the name servers and the peers do: who has not answered by then is named. */
async function askAll(
  probe: Probe,
  find: FindAddresses,
  signal: AbortSignal,
  { clock }: AdapterContext,
): Promise<Health> {
  const { options, wanted, authorities, timeoutMs } = probe;
  const { host, port: number } = options;
  const shown = `TLS ${host}:${number}`;
  /** What is wrong, by address; `null`: nothing. */
  const answers = new Map<string, string | null>();
  let asked: readonly string[] | undefined;
  try {
    const bounded = await withDeadline(timeoutMs, signal, async (inner) => {
      const addresses = options.addresses ?? (isIP(host) ? [host] : await find(host));
      asked = [...new Set(addresses)];
      await Promise.all(
        asked.map(async (address) => {
          const where = { address, port: number, servername: options.servername ?? host, authorities };
          const complaint = await fetchCertificate(where, inner).then(
            (served) => complaintAbout(served, wanted, clock.now()) ?? null,
            (error: unknown) => (inner.aborted ? undefined : describeNetworkError(error)),
          );
          if (complaint !== undefined) answers.set(address, complaint);
        }),
      );
    });
    if (bounded.ended === "cancelled") return { healthy: false, detail: `${shown}: stopped before all answered` };
  } catch (error) {
    return { healthy: false, detail: `${shown}: ${describeNetworkError(error)}` };
  }
  const late = `no TLS connection within ${describeDuration(timeoutMs)}`;
  if (asked === undefined)
    return {
      healthy: false,
      detail: `${shown}: the host name was not looked up within ${describeDuration(timeoutMs)}`,
    };
  if (asked.length === 0) return { healthy: false, detail: `${shown}: the host name has no address` };
  const wrong = asked.flatMap((address) => {
    const answer = answers.get(address);
    return answer === null ? [] : [`${address} ${answer ?? late}`];
  });
  return judge(shown, asked.length, wrong, wanted);
}

function judge(shown: string, asked: number, wrong: readonly string[], wanted: WantedCertificate): Health {
  if (wrong.length > 0) {
    const more = wrong.length > NAMED ? [`and ${wrong.length - NAMED} more`] : [];
    const list = [...wrong.slice(0, NAMED), ...more].join("; ");
    const expected = wanted.serialNumber === undefined ? "" : `; wanted is serial number ${wanted.serialNumber}`;
    return { healthy: false, detail: `${shown}: ${wrong.length} of ${asked} addresses: ${list}${expected}` };
  }
  const what = [
    wanted.serialNumber === undefined ? [] : `serial number ${wanted.serialNumber}`,
    wanted.fingerprint === undefined ? [] : "the wanted fingerprint",
  ].flat();
  const served = what.length > 0 ? `a valid certificate with ${what.join(" and ")}` : "a valid certificate";
  return { healthy: true, detail: `${shown}: ${asked} of ${asked} addresses serve ${served}` };
}

function wantedOf(options: TlsCheckOptions, target: RollTarget): WantedCertificate {
  const serialNumber = options.serialNumber ?? issuedSerialNumber(options.secret, target);
  return {
    serialNumber: serialNumber === undefined ? undefined : normalHex(serialNumber),
    fingerprint: options.fingerprint === undefined ? undefined : normalHex(options.fingerprint),
    minRemainingMs: durationMs(options.minRemaining, "0s"),
  };
}

function issuedSerialNumber(secret: string | undefined, target: RollTarget): string | undefined {
  const having = target.secrets.filter(({ issued }) => issued["serialNumber"] !== undefined);
  const found = having.filter((version) => secret === undefined || version.secret === secret);
  const names = having.map((version) => `"${version.secret}"`).join(", ") || "none";
  if (secret !== undefined && found.length === 0)
    throw new ConfigurationError(
      `A tls check is to find the certificate of the secret ${describeValue(secret)}; of the rollout's secrets these ` +
        `have a serial number: ${names}. Nothing was asked. Correct the check's option "secret".`,
    );
  if (found.length > 1)
    throw new ConfigurationError(
      `A tls check does not know whose certificate is to be served: these secrets of its rollout have a serial ` +
        `number: ${names}. Nothing was asked. Name one of them in the check's option "secret".`,
    );
  const [only] = found;
  const serialNumber = only?.issued["serialNumber"];
  if (only && serialNumber !== undefined && !isHex(serialNumber))
    throw new ConfigurationError(
      `A tls check cannot compare the serial number of "${only.secret}": ${describeValue(serialNumber)} is not ` +
        `hexadecimal. Nothing was asked. Give the check "fingerprint" or "serialNumber" instead.`,
    );
  return serialNumber;
}
