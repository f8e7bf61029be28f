/** Something a person can mend: its message says what is wrong and what to do, so no stack trace is shown for it. */
export class Problem extends Error {
  name = "Problem";
}
