/** A workload that is told by a signed HTTP call to reload. It is told which version, never the value. */
import { randomUUID } from "node:crypto";
import type { Consumer, RollTarget } from "../../contracts/consumer";
import type { AdapterContext } from "../../contracts/context";
import { ConsumerError } from "../../lifecycle/errors";
import { readAuthorities, resolveHeaders } from "../../net/httpOptions";
import { durationMs } from "../../net/options";
import { describeTarget, publicTarget } from "../../net/target";
import { confirmTold, describeConsumer } from "../../net/toldConsumer";
import type { HttpHookConsumerOptions } from "./options";
import { send } from "./send";
import { readSigningKey, signatureHeaders } from "./sign";

export { httpHookConsumerOptions, type HttpHookConsumerOptions } from "./options";

export function createHttpHookConsumer(options: HttpHookConsumerOptions, context: AdapterContext): Consumer {
  return {
    ...describeConsumer(options),
    roll: (target) => roll(options, target, context),
    confirm: (target) => confirmTold(options, "it was only told to reload", target, context),
  };
}

async function roll(options: HttpHookConsumerOptions, target: RollTarget, context: AdapterContext): Promise<void> {
  const { name, url } = options;
  context.signal.throwIfAborted();
  const keys = await signingKeys(options, context);
  const headers = await resolveHeaders(options.headers, context);
  const authorities = options.caFile === undefined ? undefined : await readAuthorities(options.caFile);
  const body = JSON.stringify(publicTarget(target));
  const id = `msg_${randomUUID()}`;
  const question = () => {
    const timestamp = Math.floor(context.clock.now() / 1000);
    const own = { "content-type": "application/json", ...signatureHeaders(keys, { id, timestamp, body }) };
    return { url, method: "POST", authorities, body, headers: { ...withoutNames(headers, own), ...own } };
  };
  const timeoutMs = durationMs(options.timeout, "10s");
  const call = { question, expectation: { expectStatus: options.expectStatus }, timeoutMs };
  const sent = await send({ ...call, attempts: options.attempts ?? 5 }, context);
  if (sent.taken) return;
  throw new ConsumerError(
    `Consumer "${name}" was told to use ${describeTarget(target)}, and did not say that it does: ${sent.detail}` +
      `${sent.attempts > 1 ? `, at the last of ${sent.attempts} attempts` : ""}. Whether it has reloaded is not known. ` +
      `Look into its log; it may be told again at any time. What it answers is not shown, since it may be anything.`,
  );
}

async function signingKeys(options: HttpHookConsumerOptions, context: AdapterContext): Promise<Buffer[]> {
  const { name, signingKey, formerSigningKey } = options;
  const keys = [readSigningKey("signingKey", name, await context.resolveSecret(signingKey))];
  if (formerSigningKey) {
    keys.push(readSigningKey("formerSigningKey", name, await context.resolveSecret(formerSigningKey)));
  }
  return keys;
}

/** Names of headers are compared without case; ours stand, or the receiver could not verify the call. */
function withoutNames(headers: Record<string, string>, own: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !Object.hasOwn(own, name.toLowerCase())));
}
