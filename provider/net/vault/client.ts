/** Requests with a token. What Vault refuses becomes an error that says what to change. */
import type { AdapterContext } from "../../contracts/context";
import { durationMs } from "../options";
import { isDeadToken, refusal, type VaultUse } from "./failures";
import { DEFAULT_TIMEOUT, type VaultConnection } from "./options";
import { Tokens } from "./tokens";
import { Transport, type VaultAnswer, type VaultRequest } from "./transport";

export class Client {
  private readonly transport: Transport;
  private readonly tokens: Tokens;

  /** @param address as `vaultAddress` gives it. Nothing is asked before it is needed. */
  constructor(
    connection: VaultConnection,
    address: string,
    private readonly use: VaultUse,
    context: AdapterContext,
  ) {
    const { namespace, caFile, auth, timeout } = connection;
    const timeoutMs = durationMs(timeout, DEFAULT_TIMEOUT);
    this.transport = new Transport({ address, namespace, caFile, timeoutMs }, context);
    this.tokens = new Tokens(auth, this.transport, use, context);
  }

  /**
   * @param expected further statuses that the caller knows how to read; 2xx is always one.
   * @throws RotationError for every other one.
   */
  async ask(request: VaultRequest, ...expected: readonly number[]): Promise<VaultAnswer> {
    const answer = await this.withToken(request);
    const { status, errors } = answer;
    if ((status >= 200 && status < 300) || expected.includes(status)) return answer;
    throw refusal(`${this.use.user} (${request.method})`, request, { status, errors }, this.use);
  }

  /**
   * As somebody else, or as nobody. Every status is an answer, but for Vault's own trouble.
   * @throws UnreachableError
   */
  as(token: string | undefined, request: VaultRequest): Promise<VaultAnswer> {
    return this.transport.send(request, token);
  }

  async close(): Promise<void> {
    await this.tokens.close();
    await this.transport.close();
  }

  /** A token from a login that has ended is replaced, once. */
  private async withToken(request: VaultRequest): Promise<VaultAnswer> {
    const token = await this.tokens.get();
    const answer = await this.transport.send(request, token);
    if (answer.status !== 403 || !(isDeadToken(answer.errors) || this.tokens.hasEnded(token))) return answer;
    return this.tokens.forget(token) ? this.transport.send(request, await this.tokens.get()) : answer;
  }
}
