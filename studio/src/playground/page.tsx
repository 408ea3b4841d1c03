// The page "playground".

import type { PageProps } from "../app.tsx";
import { useText } from "../i18n/i18n.ts";
import { PageHead } from "../ui/page-head.tsx";

export default function PlaygroundPage({ onNavigation }: PageProps) {
  const text = useText();
  return <PageHead title={text("nav.playground")} onNavigation={onNavigation} />;
}
