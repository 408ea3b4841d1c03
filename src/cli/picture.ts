// An SVG picture: its frame and title, and the texts on it.

export interface PictureSize {
  readonly width: number;
  readonly height: number;
  /** Where the title begins. */
  readonly left: number;
}

/** The title takes the first 40 units of the height. */
export function drawPicture(title: string, { width, height, left }: PictureSize, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    text(left, 24, title, 'font-size="15" font-weight="bold"'),
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

export function text(x: number, y: number, content: string, attributes: string): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<text x="${fixed(x)}" y="${fixed(y)}" ${attributes}>${escaped}</text>`;
}

export function fixed(value: number): string {
  return value.toFixed(1);
}
