// What goes along with a message: files that are chosen, dropped or pasted, as the text that is in them.

import { CHINESE, makePdf } from "./pdf.ts";
import { type Chat, expect, test } from "./studio.ts";

async function attach(chat: Chat, name: string, content: Uint8Array | string): Promise<void> {
  const chooser = chat.page.waitForEvent("filechooser");
  await chat.button("Attach text or PDF files").click();
  const buffer = Buffer.from(content);
  await (await chooser).setFiles({ name, mimeType: "application/octet-stream", buffer });
}

/** Asks, and gives what the server was sent as the question. */
async function sentQuestion(chat: Chat, question: string): Promise<string> {
  const request = chat.page.waitForRequest((sent) => sent.method() === "POST");
  await chat.ask(question);
  const { messages } = (await request).postDataJSON() as { messages: { content: string }[] };
  await chat.settled();
  return messages.at(-1)!.content;
}

test("files go along as text, and what is none is refused", async ({ chat, page }) => {
  await attach(chat, "picture.png", Buffer.from([0x89, 0x50, 0, 0xff]));
  await expect(page.getByText("picture.png is not a text file.")).toBeVisible();
  await attach(chat, "notes.txt", "The ```code``` is 7429.");
  await attach(chat, "other.txt", "Not this.");
  await chat.button("Remove other.txt").click();
  expect(await sentQuestion(chat, "What is the code?")).toBe(
    "notes.txt:\n````\nThe ```code``` is 7429.\n````\n\nWhat is the code?",
  );
  await expect(chat.questions.getByText("notes.txt")).toBeVisible();
});

test("a PDF goes along as the text of its pages, Chinese too", async ({ chat, page, studioUrl }) => {
  const loaded: string[] = [];
  page.on("request", (request) => loaded.push(request.url()));
  await attach(chat, "report.pdf", makePdf(["First line.\nSecond line.", CHINESE.text]));
  await expect(chat.button("Remove report.pdf")).toBeVisible();
  expect(await sentQuestion(chat, "What does it say?")).toBe(
    `report.pdf:\n\`\`\`\n[Page 1 of 2]\nFirst line.\nSecond line.\n\n[Page 2 of 2]\n${CHINESE.text}\n\`\`\`\n\nWhat does it say?`,
  );
  expect(loaded.filter((url) => !url.startsWith(studioUrl))).toEqual([]);
  expect(loaded.some((url) => url.includes("pdf.worker"))).toBe(true);
});

test("a PDF without text to be had is refused with the reason", async ({ chat, page }) => {
  const whole = makePdf(["Text."]);
  for (const [name, content, reason] of [
    ["locked.pdf", makePdf(["Secret."], { isEncrypted: true }), "needs a password"],
    ["scan.pdf", makePdf(["", ""]), "has pictures of pages and no text"],
    ["long.pdf", makePdf(["Page."], { copies: 501 }), "has more than 500 pages"],
    ["broken.pdf", whole.subarray(0, 60), "is damaged, or no PDF"],
  ] as const) {
    await attach(chat, name, content);
    await expect(page.getByText(`${name} ${reason}`)).toBeVisible();
  }
  await expect(page.locator(".composer .attachment")).toHaveCount(0);
});

test("files are dropped onto the chat, a long text is pasted as one, a short one as words", async ({
  chat,
  page,
  context,
}) => {
  const files = await page.evaluateHandle(
    (pdf) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File(["A,B\n1,2"], "table.csv"));
      transfer.items.add(new File([Uint8Array.from(pdf)], "page.pdf"));
      return transfer;
    },
    [...makePdf(["One page."])],
  );
  const main = page.locator(".chat-main");
  await main.dispatchEvent("dragover", { dataTransfer: files });
  await expect(main).toHaveAttribute("data-over", "true");
  await main.dispatchEvent("drop", { dataTransfer: files });
  await expect(main).toHaveAttribute("data-over", "false");
  await expect(chat.button("Remove table.csv")).toBeVisible();
  await expect(chat.button("Remove page.pdf")).toBeVisible();

  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const paste = async (text: string): Promise<void> => {
    await page.evaluate((copied) => navigator.clipboard.writeText(copied), text);
    await chat.composer.press("Control+v");
  };
  await paste("short");
  await expect(chat.composer).toHaveValue("short");
  const long = "A line of a log.\n".repeat(400).trim();
  await paste(long);
  await expect(chat.button("Remove Pasted text 3")).toBeVisible();
  const question = await sentQuestion(chat, "What is it?");
  expect(question).toContain("table.csv:\n```\nA,B\n1,2\n```");
  expect(question).toContain("page.pdf:\n```\n[Page 1 of 1]\nOne page.\n```");
  expect(question).toContain(`Pasted text 3:\n\`\`\`\n${long}\n\`\`\``);
  expect(question.endsWith("\n\nWhat is it?")).toBe(true);
});
