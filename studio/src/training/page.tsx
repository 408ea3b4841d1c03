// The page "training".

import type { PageProps } from "../app.tsx";
import { useText } from "../i18n/i18n.ts";
import { PageHead } from "../ui/page-head.tsx";

export default function TrainingPage({ onNavigation }: PageProps) {
  const text = useText();
  return <PageHead title={text("nav.training")} onNavigation={onNavigation} />;
}
