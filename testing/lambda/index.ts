/**
 * An emulator of AWS Lambda's REST API, as far as a consumer of secrets uses it, for the real SDK over loopback HTTP.
 * What runs behind it are real Node processes, one or more for each version of a function, with that version's
 * variables. Nothing happens by the passing of time: states go on by being looked at, as the test says.
 *
 * It verifies no signatures: whose credentials a call has plays no part.
 */
import { Door, isChange, type LambdaCall, type LambdaFault } from "./door";
import { LambdaError } from "./fault";
import { Fleet, type Invocation } from "./fleet";
import { EmulatedFunction, functionNameOf } from "./function";
import { routeOf, type Asked, type Reply } from "./routes";
import type { Settings } from "./settings";

export type { LambdaCall, LambdaFault } from "./door";
export { Door as LambdaDoor } from "./door";
export { LambdaError, type LambdaErrorCode } from "./fault";
export type { Invocation as LambdaInvocation } from "./fleet";
export { EmulatedFunction as EmulatedLambdaFunction } from "./function";
export type { Settings as LambdaSettings } from "./settings";

export interface LambdaEmulatorOptions {
  /** @default "eu-west-1" */
  readonly region?: string;
  /** @default "123456789012" */
  readonly account?: string;
  /** From 0 to 1: which version behind a weighted alias a request meets. @default Math.random */
  readonly random?: () => number;
}

export interface NewLambdaFunction {
  readonly name: string;
  /** The alias that its first version is released by. */
  readonly alias: string;
  /** A CommonJS module, by its absolute path. */
  readonly file: string;
  /** What of the module is called. @default "handler" */
  readonly handler?: string;
  readonly variables?: Readonly<Record<string, string>>;
  /** In seconds. @default 3, as with AWS */
  readonly timeout?: number;
}

/** @returns an emulator that listens; it has to be stopped. */
export async function startLambda(options: LambdaEmulatorOptions = {}): Promise<LambdaEmulator> {
  const emulator = new LambdaEmulator(options);
  await emulator.open();
  return emulator;
}

export class LambdaEmulator {
  readonly region: string;
  private readonly account: string;
  private readonly random: () => number;
  private readonly functions = new Map<string, { readonly model: EmulatedFunction; readonly fleet: Fleet }>();
  private readonly doors: Door[] = [];
  private readonly denied = new Set<string>();
  private changed = 0;

  constructor({ region = "eu-west-1", account = "123456789012", random = Math.random }: LambdaEmulatorOptions) {
    this.region = region;
    this.account = account;
    this.random = random;
  }

  async open(): Promise<void> {
    await this.door();
  }

  /** The first door's. */
  get endpoint(): string {
    return this.first.endpoint;
  }

  /** Calls at the first door. */
  get calls(): readonly LambdaCall[] {
    return this.first.calls;
  }

  /** What calls at the first door meet. */
  set fault(fault: (call: LambdaCall) => LambdaFault | undefined) {
    this.first.fault = fault;
  }

  /** How many changes were carried out, at all doors. */
  get changes(): number {
    return this.changed;
  }

  /** Another address of the same service, for one client. */
  async door(): Promise<Door> {
    const door = new Door((asked, body) => this.carry(asked, body));
    await door.open();
    this.doors.push(door);
    return door;
  }

  /** A function with one published version, which the alias names. */
  create({ name, alias, file, handler = "handler", variables = {}, timeout = 3 }: NewLambdaFunction): EmulatedFunction {
    const settings: Settings = {
      code: { file, handler },
      variables,
      role: `arn:aws:iam::${this.account}:role/${name}`,
      timeout,
      memory: 128,
      description: "",
    };
    const model = new EmulatedFunction(name, settings, { region: this.region, account: this.account });
    this.functions.set(name, { model, fleet: new Fleet(model, this.region, this.random) });
    model.release(alias);
    return model;
  }

  fleet(functionName: string): Fleet {
    return this.found(functionName).fleet;
  }

  /** As a caller of the function does it. @param qualifier a version or an alias. */
  invoke(functionName: string, qualifier: string, event: unknown = {}): Promise<Invocation> {
    return this.found(functionName).fleet.invoke(qualifier, event);
  }

  /** IAM's names, such as `lambda:UpdateAlias`; each call that needs one is refused until it is allowed again. */
  deny(...actions: string[]): void {
    for (const action of actions) this.denied.add(action);
  }

  /** @param actions all, where none is named. */
  allow(...actions: string[]): void {
    if (actions.length === 0) this.denied.clear();
    for (const action of actions) this.denied.delete(action);
  }

  async stop(): Promise<void> {
    await Promise.all(this.doors.map((door) => door.close()));
    await Promise.all([...this.functions.values()].map(({ fleet }) => fleet.stop()));
  }

  private get first(): Door {
    const [door] = this.doors;
    if (door === undefined) throw new Error("The emulator is not open.");
    return door;
  }

  private async carry(asked: Asked, body: Buffer): Promise<Reply> {
    const route = routeOf(asked.operation);
    const { action } = route;
    const { model, fleet } = this.found(functionNameOf(asked.functionName));
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    if (this.denied.has(action))
      throw new LambdaError(
        "AccessDeniedException",
        `User: arn:aws:iam::${this.account}:user/ci is not authorized to perform: ${action} on resource: ${model.arn} because no identity-based policy allows the ${action} action`,
      );
    const versions = model.versionNames().length;
    const reply = await route.answer(asked, body, model, fleet);
    // Publishing what is published already changes nothing.
    if (isChange(asked) && (asked.operation !== "publishVersion" || model.versionNames().length > versions))
      this.changed++;
    return reply;
  }

  private found(name: string) {
    const found = this.functions.get(name);
    if (found !== undefined) return found;
    const arn = `arn:aws:lambda:${this.region}:${this.account}:function:${name}`;
    throw new LambdaError("ResourceNotFoundException", `Function not found: ${arn}`);
  }
}
