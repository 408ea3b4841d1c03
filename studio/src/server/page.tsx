// The page "server": what it runs and how it fares, its API keys, what was used, and its log.

import type { PageProps } from "../app.tsx";
import { KeysTab } from "./keys.tsx";
import { LogTab } from "./log.tsx";
import { OverviewTab } from "./overview.tsx";
import { UsageTab } from "./usage.tsx";
import { useText } from "../i18n/i18n.ts";
import { navigate, useRoute } from "../router.ts";
import { PageHead } from "../ui/page-head.tsx";
import { Tabs } from "../ui/tabs.tsx";
import { useTitle } from "../ui/title.ts";
import "../styles/boards.css";
import "../styles/chart.css";
import "../styles/server.css";
import "../styles/table.css";

const TABS = { overview: OverviewTab, keys: KeysTab, usage: UsageTab, log: LogTab } as const;
type TabName = keyof typeof TABS;
const TAB_NAMES = Object.keys(TABS) as TabName[];

export default function ServerPage({ onNavigation }: PageProps) {
  const text = useText();
  const { parts } = useRoute();
  useTitle(text("nav.server"));
  const tab = TAB_NAMES.find((name) => name === parts[0]) ?? "overview";
  const Tab = TABS[tab];
  return (
    <>
      <PageHead title={text("nav.server")} onNavigation={onNavigation} />
      <div className="page-body">
        <div className="board">
          <Tabs
            label={text("nav.server")}
            tabs={TAB_NAMES.map((value) => ({ value, label: text(`server.${value}`) }))}
            value={tab}
            onChange={(value) => navigate("server", value)}
          >
            <Tab />
          </Tabs>
        </div>
      </div>
    </>
  );
}
