// Files as text: read whole, PDFs page by page, refused where there is none in them.

import { type MessageKey, text } from "../i18n/i18n.ts";
import type { Attachment } from "../store/database.ts";
import { notifyError } from "../ui/toast.tsx";

const MAX_MB = 2;
const MAX_PDF_MB = 32;
const MEGABYTE = 2 ** 20;

/** Those that are text, or have some; a notice says why of the others. */
export async function readAttachments(files: readonly File[]): Promise<readonly Attachment[]> {
  const attachments: Attachment[] = [];
  for (const file of files) {
    const { name } = file;
    const content = await readFile(file);
    if (typeof content === "string") attachments.push({ name, text: content });
    else notifyError(text(content.key, { name, limit: content.limit }));
  }
  return attachments;
}

interface Refusal {
  readonly key: MessageKey;
  readonly limit: number;
}

async function readFile(file: File): Promise<string | Refusal> {
  const isPdf = (await file.slice(0, 5).text()) === "%PDF-";
  const limit = isPdf ? MAX_PDF_MB : MAX_MB;
  if (file.size > limit * MEGABYTE) return { key: "chat.attachment-large", limit };
  const bytes = await file.arrayBuffer();
  const content = isPdf ? await pdfText(bytes) : decode(bytes);
  return typeof content === "string" && content.length > MAX_MB * MEGABYTE
    ? { key: "chat.attachment-large", limit: MAX_MB }
    : content;
}

async function pdfText(bytes: ArrayBuffer): Promise<string | Refusal> {
  const { PdfError, readPdf } = await import("./pdf.ts");
  try {
    return await readPdf(bytes);
  } catch (error) {
    if (!(error instanceof PdfError)) throw error;
    return { key: `chat.pdf-${error.fault}`, limit: error.limit };
  }
}

function decode(bytes: ArrayBuffer): string | Refusal {
  const binary: Refusal = { key: "chat.attachment-binary", limit: 0 };
  try {
    const content = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return content.includes("\0") ? binary : content;
  } catch {
    return binary;
  }
}
