import type { Descriptor, DurationText, SecretSource } from "./options";

/** Workloads that the library moves. */
export const consumer = {
  /** A process on the machine where `pulumi` runs. */
  process: (options: {
    readonly name: string;
    /** Lower waves go first. @default 0 */
    readonly wave?: number;
    /** Where its credential is delivered, mode 0600, replaced atomically. The process is then pinned to what it got. */
    readonly file?: string;
    /** How long it may go on with a credential that it has read before; no longer than the secret's grace. @default "0s" */
    readonly readersCache?: DurationText;
    readonly owner?: { readonly uid: number; readonly gid: number };
    /** A command, run without a shell, that returns when the process is started again. Never a secret in it. */
    readonly restart?: {
      readonly command: string[];
      readonly env?: Record<string, string>;
      /** @default "60s" */
      readonly timeout?: DurationText;
    };
    readonly signal?: { readonly pidFile: string; readonly name: string };
    /** When it serves again. */
    readonly ready?:
      | {
          readonly url: string;
          readonly expectStatus?: number | number[];
          readonly expectBody?: string;
          readonly caFile?: string;
        }
      | { readonly tcp: { readonly host: string; readonly port: number } };
    /** @default "60s" */
    readonly readyTimeout?: DurationText;
    /** Where it says which version it uses. */
    readonly adoption?: {
      readonly url: string;
      readonly headers?: Record<string, string | SecretSource>;
      readonly caFile?: string;
    };
    /** @default "60s" */
    readonly adoptionTimeout?: DurationText;
    /** @default "500ms" */
    readonly interval?: DurationText;
    /** Whether it may not be running yet. @default false */
    readonly optional?: boolean;
  }): Descriptor => ({ type: "process", ...options }),
};
