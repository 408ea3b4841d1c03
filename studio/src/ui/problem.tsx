// Why something cannot be shown, and a button to try it again.

import { Button } from "./button.tsx";
import { ApiError } from "../api/client.ts";
import { useText } from "../i18n/i18n.ts";

export function Problem({ error, onRetry }: { readonly error: Error; readonly onRetry: () => void }) {
  const text = useText();
  const isUnreachable = error instanceof ApiError && error.status === 0;
  return (
    <div className="problem" role="alert">
      <p>{isUnreachable ? text("error.unreachable") : error.message}</p>
      <Button size="small" onClick={onRetry}>
        {text("common.retry")}
      </Button>
    </div>
  );
}
