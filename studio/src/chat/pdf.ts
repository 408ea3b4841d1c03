// The text of a PDF, page by page. What reads it is large, so this file is loaded when the first PDF is attached.
//
// The file is a stranger's: a worker reads it, which is ended where it takes too long, and nothing of it is run, drawn
// or fetched. Tables of Chinese, Japanese and Korean encodings come from the studio's own server.

import { getDocument, PDFWorker, VerbosityLevel } from "pdfjs-dist/legacy/build/pdf.mjs";
import workerUrl from "pdfjs-dist/legacy/build/pdf.worker.min.mjs?url";

const MAX_PAGES = 500;
const MAX_SECONDS = 60;
const TABLE_FOLDER = "../../../node_modules/pdfjs-dist/cmaps";
const TABLES = import.meta.glob<string>("../../../node_modules/pdfjs-dist/cmaps/*.bcmap", {
  query: "?url",
  import: "default",
  eager: true,
});

export type PdfFault = "damaged" | "encrypted" | "long" | "scanned" | "slow";

/** Why there is no text, and the limit that it exceeds, where it does. */
export class PdfError extends Error {
  readonly fault: PdfFault;
  readonly limit: number;

  constructor(fault: PdfFault, limit = 0) {
    super(`This PDF is ${fault}.`);
    this.fault = fault;
    this.limit = limit;
  }
}

/** Each page under a mark. Throws a `PdfError` where there is no text to be had. */
export async function readPdf(data: ArrayBuffer): Promise<string> {
  const worker = new Worker(workerUrl, { type: "module" });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const patience = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new PdfError("slow", MAX_SECONDS)), MAX_SECONDS * 1000);
  });
  try {
    const pages = await Promise.race([readPages(data, worker), patience]);
    if (pages.every((page) => page.trim() === "")) throw new PdfError("scanned");
    return pages.map((page, i) => `[Page ${i + 1} of ${pages.length}]\n${page}`.trimEnd()).join("\n\n");
  } catch (error) {
    if (error instanceof PdfError) throw error;
    const needsPassword = error instanceof Error && error.name === "PasswordException";
    throw new PdfError(needsPassword ? "encrypted" : "damaged");
  } finally {
    clearTimeout(timer);
    worker.terminate();
  }
}

async function readPages(data: ArrayBuffer, port: Worker): Promise<readonly string[]> {
  const pdf = await getDocument({
    data,
    worker: PDFWorker.create({ port }),
    CMapReaderFactory: OwnTables,
    isEvalSupported: false,
    useWasm: false,
    verbosity: VerbosityLevel.ERRORS,
  }).promise;
  if (pdf.numPages > MAX_PAGES) throw new PdfError("long", MAX_PAGES);
  const pages: string[] = [];
  for (let n = 1; n <= pdf.numPages; n++) {
    const page = await pdf.getPage(n);
    const { items } = await page.getTextContent();
    pages.push(items.map((item) => ("str" in item ? item.str + (item.hasEOL ? "\n" : "") : "")).join(""));
    page.cleanup();
  }
  return pages;
}

/** Which bytes of a text are which characters, for fonts that do not say so themselves. */
class OwnTables {
  async fetch({ name }: { readonly name: string }): Promise<object> {
    const url = TABLES[`${TABLE_FOLDER}/${name}.bcmap`];
    if (url === undefined) throw new Error(`There is no table ${name}.`);
    return { cMapData: new Uint8Array(await (await fetch(url)).arrayBuffer()), isCompressed: true };
  }
}
