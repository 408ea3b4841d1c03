// Text that goes to a client and comes back: what was changed on the way, or made elsewhere, is not believed.
//
// The key lives as long as the process and is bound to the API key that the text was made for. This keeps nothing
// secret: it is the client's own reasoning.

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

export class Seal {
  readonly #key = randomBytes(32);

  /** A signature of `text`. */
  sign(owner: string, text: string): string {
    return this.#digest(owner, text).toString("base64url");
  }

  /** `text` as an opaque string. */
  close(owner: string, text: string): string {
    return `${this.sign(owner, text)}.${Buffer.from(text).toString("base64url")}`;
  }

  /** What was closed; undefined for anything else. */
  open(owner: string, sealed: string): string | undefined {
    const [signature = "", body = ""] = sealed.split(".");
    const text = Buffer.from(body, "base64url").toString();
    const expected = this.#digest(owner, text);
    const found = Buffer.from(signature, "base64url");
    return found.length === expected.length && timingSafeEqual(found, expected) ? text : undefined;
  }

  #digest(owner: string, text: string): Buffer {
    // Their lengths part the two: no owner and text are another owner and text.
    return createHmac("sha256", this.#key).update(`${owner.length}:${owner}`).update(text).digest();
  }
}
