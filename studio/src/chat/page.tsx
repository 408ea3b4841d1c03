// The page "chat".

import type { PageProps } from "../app.tsx";
import { useText } from "../i18n/i18n.ts";
import { PageHead } from "../ui/page-head.tsx";

export function ChatPage({ onNavigation }: PageProps) {
  const text = useText();
  return <PageHead title={text("nav.chat")} onNavigation={onNavigation} />;
}
