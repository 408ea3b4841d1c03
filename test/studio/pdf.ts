// PDFs for tests, written by hand: pages of lines, in a font that every reader knows or in Chinese.

export interface PdfOptions {
  /** Asks for a password that nobody knows. */
  readonly isEncrypted?: boolean;
  /** How often each page is listed. */
  readonly copies?: number;
}

/** A page for each string; its Latin lines in Helvetica, the others in a font that is not in the file, as GBK. */
export function makePdf(pages: readonly string[], { isEncrypted = false, copies = 1 }: PdfOptions = {}): Buffer {
  const contents = pages.map((page) => {
    const lines = page === "" ? [] : page.split("\n").map((line) => `${shown(line)} T*`);
    return `BT 14 TL 72 720 Td ${lines.join(" ")} ET`;
  });
  const pageNumber = (i: number): number => 7 + 2 * i;
  const kids = pages.flatMap((_page, i) => Array<string>(copies).fill(`${pageNumber(i)} 0 R`));
  const objects = [
    "<< /Type /Catalog /Pages 2 0 R >>",
    `<< /Type /Pages /Kids [${kids.join(" ")}] /Count ${kids.length} >>`,
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    "<< /Type /Font /Subtype /Type0 /BaseFont /SimSun /Encoding /GBK-EUC-H /DescendantFonts [5 0 R] >>",
    "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /SimSun /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1)" +
      " /Supplement 2 >> /FontDescriptor 6 0 R >>",
    "<< /Type /FontDescriptor /FontName /SimSun /Flags 4 /FontBBox [0 -140 1000 860] /ItalicAngle 0 /Ascent 860" +
      " /Descent -140 /CapHeight 680 /StemV 90 >>",
    ...contents.flatMap((content, i) => [
      "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >>" +
        ` /Contents ${pageNumber(i) + 1} 0 R >>`,
      `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    ]),
  ];
  return withTable(objects, isEncrypted ? encryption() : "");
}

/** 你好，世界 in GBK. */
export const CHINESE = { text: "你好，世界", gbk: "c4e3bac3a3accac0bde7" } as const;

function shown(line: string): string {
  return line === CHINESE.text ? `/F2 12 Tf <${CHINESE.gbk}> Tj` : `/F1 12 Tf (${line}) Tj`;
}

function encryption(): string {
  const key = "00".repeat(32);
  return ` /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <${key}> /U <${key}> >> /ID [<00> <00>]`;
}

/** The objects, and where in the file each lies. */
function withTable(objects: readonly string[], trailer: string): Buffer {
  let file = "%PDF-1.4\n";
  const places = objects.map((object, i) => {
    const place = file.length;
    file += `${i + 1} 0 obj\n${object}\nendobj\n`;
    return `${String(place).padStart(10, "0")} 00000 n \n`;
  });
  const size = objects.length + 1;
  const table = `xref\n0 ${size}\n0000000000 65535 f \n${places.join("")}`;
  const end = `trailer\n<< /Size ${size} /Root 1 0 R${trailer} >>\nstartxref\n${file.length}\n%%EOF\n`;
  return Buffer.from(file + table + end, "latin1");
}
