/** What an HTTP hook can be told. */
import { z } from "zod";
import { secretSourceSchema } from "../../contracts/secretSource";
import { fitsUrl, tlsFile } from "../../net/awaitAdoption";
import { caFile, expectStatus, httpHeaders, httpUrl } from "../../net/httpOptions";
import { duration, strictOptions, wholeNumber } from "../../net/options";
import { toldConsumerOptions } from "../../net/toldConsumer";

export const httpHookConsumerOptions = strictOptions("an httpHook consumer", {
  type: z.literal("httpHook", { error: 'the type of an httpHook consumer must be "httpHook"' }),
  ...toldConsumerOptions,
  /** Where the workload is told to reload, by POST. A redirect is not followed. */
  url: httpUrl("url"),
  /** The key that signs each call: of 24 bytes or more, or `whsec_` and its base64. */
  signingKey: secretSourceSchema("signingKey"),
  /** While the signing key is exchanged: the one before. Each call then has both signatures. */
  formerSigningKey: secretSourceSchema("formerSigningKey").optional(),
  headers: httpHeaders.optional(),
  caFile: caFile.optional(),
  /** What says that it has reloaded. Default: 200 to 299. */
  expectStatus: expectStatus.optional(),
  /** The longest that one call may take. Default: "10s". */
  timeout: duration("timeout", 10, 3_600_000).optional(),
  /** How often it is called at most, the first time included, while it does not answer or is busy. Default: 5. */
  attempts: wholeNumber("attempts", 1, 20).optional(),
}).refine(fitsUrl, tlsFile);

export type HttpHookConsumerOptions = z.infer<typeof httpHookConsumerOptions>;
