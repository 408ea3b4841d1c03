// The form of a catalogue: key to English and Simplified Chinese.

export type Messages = Readonly<Record<string, readonly [en: string, zh: string]>>;
