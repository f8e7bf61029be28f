/** Requests with a token. What Vault refuses becomes an error that says what to change. */
import { isDeadToken, refusal } from "./failures";
import type { Tokens } from "./tokens";
import type { Transport, VaultAnswer, VaultRequest } from "./transport";

export class Client {
  constructor(
    private readonly location: string,
    private readonly transport: Transport,
    private readonly tokens: Tokens,
  ) {}

  /**
   * @param expected further statuses that the caller knows how to read; 2xx is always one.
   * @throws RotationError for every other one.
   */
  async ask(request: VaultRequest, ...expected: readonly number[]): Promise<VaultAnswer> {
    const answer = await this.withToken(request);
    const { status, errors } = answer;
    if ((status >= 200 && status < 300) || expected.includes(status)) return answer;
    throw refusal(`The store ${this.location} (${request.method})`, request, status, errors);
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
