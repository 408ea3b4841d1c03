// Files as text: read whole, refused where they are none.

import { text } from "../i18n/i18n.ts";
import type { Attachment } from "../store/database.ts";
import { notifyError } from "../ui/toast.tsx";

const MAX_MB = 2;

/** Those that are text; a notice says why of the others. */
export async function readAttachments(files: readonly File[]): Promise<readonly Attachment[]> {
  const attachments: Attachment[] = [];
  for (const file of files) {
    const { name, size } = file;
    if (size > MAX_MB * 2 ** 20) {
      notifyError(text("chat.attachment-large", { name, limit: MAX_MB }));
      continue;
    }
    const content = decode(await file.arrayBuffer());
    if (content === undefined) notifyError(text("chat.attachment-binary", { name }));
    else attachments.push({ name, text: content });
  }
  return attachments;
}

function decode(bytes: ArrayBuffer): string | undefined {
  try {
    const content = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return content.includes("\0") ? undefined : content;
  } catch {
    return undefined;
  }
}
