export function busyWarning(): string | undefined;
export const ROOT: string;
export function describeMachine(): object;
export function readCommit(): string;
export function writeResults(path: string, report: object): void;
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string;
