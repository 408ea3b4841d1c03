// The byte alphabet of byte-level BPE: every byte has one printable character, so that a vocabulary of
// arbitrary bytes can be written as JSON strings. This is GPT-2's map: printable Latin-1 bytes stand for
// themselves, the 68 others are shifted to U+0100 and above.
//
// Knows bytes and characters only; nothing of vocabularies.

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

function createByteChars(): readonly string[] {
  let numShifted = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : 256 + numShifted++));
}

/** The character of every byte, indexed by the byte. */
export const BYTE_CHARS: readonly string[] = createByteChars();

const CHAR_BYTES: ReadonlyMap<string, number> = new Map(BYTE_CHARS.map((char, byte) => [char, byte]));

/** The bytes that a vocabulary entry stands for, or undefined where it has a character outside the alphabet. */
export function charsToBytes(chars: string): Uint8Array | undefined {
  const bytes = new Uint8Array(chars.length);
  for (let i = 0; i < chars.length; i++) {
    const byte = CHAR_BYTES.get(chars.charAt(i));
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}
