export function busyWarning(): string | undefined;
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string;
