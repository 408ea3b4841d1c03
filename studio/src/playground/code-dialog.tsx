// The request of one side as a program, to be copied.

import { useState } from "react";
import { CODE_KINDS, CODE_LANGUAGES, codeFor, type CodeKind } from "./code.ts";
import type { Body } from "./input.ts";
import { apiKey } from "../api/client.ts";
import type { ModelInfo } from "../api/models.ts";
import { useText } from "../i18n/i18n.ts";
import { CodeBlock } from "../markdown/code-block.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Tabs } from "../ui/tabs.tsx";

export interface CodeDialogProps {
  readonly body: Body;
  readonly model: ModelInfo | undefined;
  readonly onClose: () => void;
}

export default function CodeDialog({ body, model, onClose }: CodeDialogProps) {
  const text = useText();
  const [kind, setKind] = useState<CodeKind>("curl");
  const code = codeFor(kind, body, {
    baseUrl: `${location.origin}/v1`,
    hasKey: apiKey() !== undefined,
    toolTemperature: model?.mimo?.sampling_with_tools.temperature,
  });
  return (
    <Dialog title={text("play.code")} width="wide" onClose={onClose}>
      <div className="play-code">
        <Tabs
          label={text("play.code")}
          value={kind}
          onChange={setKind}
          tabs={CODE_KINDS.map((value) => ({ value, label: value }))}
        >
          <CodeBlock code={code} language={CODE_LANGUAGES[kind]} isOpen={false} />
        </Tabs>
      </div>
    </Dialog>
  );
}
