// The text of an answer in the conversation as the tokens that it was made of, coloured by what drafted them: in place of
// its Markdown, for those who want to see drafting while they read. A token that is chosen comes under the glass.

import { useState } from "react";
import { Glass } from "./glass.tsx";
import { Legend, TokenText } from "./token-view.tsx";
import { textRange, type Trace } from "./trace.ts";

export default function AnswerTokens({ trace }: { readonly trace: Trace }) {
  const [selected, setSelected] = useState<number>();
  return (
    <div className="answer-tokens">
      <TokenText
        trace={trace}
        colouring="drafts"
        hasRejected
        shown={textRange(trace)}
        selected={selected}
        onSelect={(token) => setSelected(token === selected ? undefined : token)}
      />
      <Legend trace={trace} colouring="drafts" />
      {selected !== undefined && <Glass trace={trace} at={selected} />}
    </div>
  );
}
