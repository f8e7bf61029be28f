/** Asks whether something accepts connections at an address. */
import { z } from "zod";
import type { HealthCheck } from "../contracts/check";
import type { AdapterContext } from "../contracts/context";
import { caFile, readAuthorities } from "../net/httpOptions";
import { flag, port, strictOptions, text } from "../net/options";
import { askTcp } from "../net/tcpProbe";
import { baselineIsAskedFor, canaryOption, commonCheckOptions, toSchedule } from "./schedule";

export const tcpCheckOptions = strictOptions("a tcp check", {
  type: z.literal("tcp", { error: 'the type of a tcp check must be "tcp"' }),
  ...commonCheckOptions,
  ...canaryOption,
  /** A host name or address. */
  host: text("host", 253),
  port: port("port"),
  /** Also shake hands by TLS and verify the certificate against `host`. Default: false. */
  tls: flag("tls").optional(),
  caFile: caFile.optional(),
})
  .refine((options) => options.caFile === undefined || options.tls === true, {
    path: ["caFile"],
    error: 'caFile has no effect without "tls": true',
  })
  .refine(...baselineIsAskedFor);

export type TcpCheckOptions = z.infer<typeof tcpCheckOptions>;

export function createTcpCheck(options: TcpCheckOptions, _context: AdapterContext): HealthCheck {
  const schedule = toSchedule(options);
  return {
    name: options.name ?? `tcp ${options.host}:${options.port}`,
    schedule,
    canary: options.canary ?? false,
    isEvidence: false,
    async probe(_target, signal) {
      const { host, port, tls } = options;
      const authorities = options.caFile === undefined ? undefined : await readAuthorities(options.caFile);
      return askTcp({ host, port, tls, authorities }, schedule.timeoutMs, signal);
    },
    close: () => Promise.resolve(),
  };
}
