// The line at the top of a page: the button for the navigation where that is hidden, a title, and the page's tools.

import { PanelLeft } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "./button.tsx";
import { useText } from "../i18n/i18n.ts";

export interface PageHeadProps {
  readonly title: ReactNode;
  readonly onNavigation: () => void;
  readonly children?: ReactNode;
}

export function PageHead({ title, onNavigation, children }: PageHeadProps) {
  const text = useText();
  return (
    <header className="page-head">
      <IconButton className="only-narrow" label={text("nav.open")} icon={<PanelLeft />} onClick={onNavigation} />
      <h1>{title}</h1>
      <div className="page-tools">{children}</div>
    </header>
  );
}
