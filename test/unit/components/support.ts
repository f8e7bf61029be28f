/** Runs a piece of a Pulumi program without an engine, and tells what it would have made. */
import * as pulumi from "@pulumi/pulumi";

export interface Made {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
  /** The properties whose changes the engine is told to leave alone. */
  readonly ignoreChanges?: readonly string[];
}

export interface Lookup {
  readonly token: string;
  readonly inputs: Record<string, unknown>;
}

interface World {
  /** What a provider adds to the inputs. */
  readonly outputs?: (type: string, inputs: Record<string, any>) => object;
  /** Of a resource that is there. Default: made of its name. */
  readonly id?: (type: string, name: string) => string;
  /** What a look-up answers. */
  readonly lookup?: (lookup: Lookup) => object;
  /** In a preview nothing is there yet: no resource has an id. */
  readonly preview?: boolean;
}

export interface Ran<T> {
  readonly value: T;
  /** Native resources and components, in the order of their names. */
  readonly made: readonly Made[];
  readonly lookups: readonly Lookup[];
}

/** @param program gets the options that the component has to be made with. */
export async function run<T>(
  program: (opts: pulumi.ComponentResourceOptions) => T,
  world: World = {},
): Promise<Ran<T>> {
  const made: Made[] = [];
  const lookups: Lookup[] = [];
  const ignored = new Map<string, readonly string[]>();
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        const ignoreChanges = ignored.get(`${type} ${name}`);
        made.push({ type, name, inputs: inputs as Made["inputs"], ...(ignoreChanges ? { ignoreChanges } : {}) });
        return {
          id: world.preview ? undefined : (world.id?.(type, name) ?? `id of ${name}`),
          state: { ...(inputs as object), ...world.outputs?.(type, inputs as Record<string, any>) },
        };
      },
      call: ({ token, inputs }) => {
        const lookup = { token, inputs: inputs as Lookup["inputs"] };
        lookups.push(lookup);
        return { ...world.lookup?.(lookup) };
      },
    },
    "shop",
    "test",
    world.preview ?? false,
    "acme",
  );
  const value = program({
    transformations: [
      ({ type, name, opts }) => {
        if (opts.ignoreChanges) ignored.set(`${type} ${name}`, opts.ignoreChanges);
        return undefined;
      },
    ],
  });
  // A whole program, which is a module. An output is waited for by those who ask for it.
  if (value instanceof Promise) await Promise.allSettled([value]);
  await pulumi.runtime.disconnect();
  made.sort((a, b) => (`${a.type} ${a.name}` < `${b.type} ${b.name}` ? -1 : 1));
  return { value, made, lookups };
}

/** Its value; `undefined` where it is not known. */
export function valueOf<T>(output: pulumi.Output<T>): Promise<T | undefined> {
  return (output as unknown as { promise(withUnknowns?: boolean): Promise<T | undefined> }).promise();
}

export function isKnown(output: pulumi.Output<unknown>): Promise<boolean> {
  return (output as unknown as { isKnown: Promise<boolean> }).isKnown;
}

/** The resources that have to be there before whatever takes the output, and that go after it. */
export async function namesBefore(output: pulumi.Output<unknown>): Promise<string[]> {
  const resources = await (output as unknown as { allResources(): Promise<Set<pulumi.Resource>> }).allResources();
  const urns = await Promise.all([...resources].map((resource) => valueOf(resource.urn)));
  return [...new Set(urns.map((urn) => `${urn?.split("::")[2]?.split("$").at(-1)} ${urn?.split("::").at(-1)}`))].sort();
}
