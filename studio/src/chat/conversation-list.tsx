// Conversations in the navigation.

import { Plus } from "lucide-react";
import { useText } from "../i18n/i18n.ts";
import { href, type Route } from "../router.ts";

export function ConversationList(_props: { readonly route: Route }) {
  const text = useText();
  return (
    <a className="nav-button" href={href("chat")}>
      <Plus />
      {text("chat.new")}
    </a>
  );
}
