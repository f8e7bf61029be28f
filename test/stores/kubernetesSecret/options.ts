export function describeOptions(): void {}
