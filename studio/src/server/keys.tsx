// API keys: who has one, a new one, and the end of one.

import { Copy, KeyRound, Trash2 } from "lucide-react";
import { type FormEvent, useCallback, useState } from "react";
import { requestJson } from "../api/client.ts";
import { usePolled } from "../api/polled.ts";
import { useText } from "../i18n/i18n.ts";
import { Button, IconButton } from "../ui/button.tsx";
import { ConfirmDialog } from "../ui/confirm-dialog.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Field, Switch, TextInput } from "../ui/field.tsx";
import { copyText } from "../ui/files.ts";
import { formatMoment } from "../ui/format.ts";
import { Problem } from "../ui/problem.tsx";
import { TableScroll } from "../ui/table-scroll.tsx";
import { notify, notifyError } from "../ui/toast.tsx";

const SCOPES = ["inference", "metrics", "admin"] as const;
type Scope = (typeof SCOPES)[number];
const FIRST_SCOPES: readonly Scope[] = ["inference", "metrics"];
const EVERY_MS = 10_000;

interface ApiKey {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly max_requests: number | null;
  readonly created: string;
}

interface KeyList {
  /** Whether the server asks for one. */
  readonly required: boolean;
  readonly data: readonly ApiKey[];
}

export function KeysTab() {
  const text = useText();
  const read = useCallback((signal: AbortSignal) => requestJson<KeyList>("/v1/keys", { signal }), []);
  const { value: keys, error, reload } = usePolled(read, EVERY_MS);
  const [isCreating, setCreating] = useState(false);
  const [revoked, setRevoked] = useState<ApiKey>();
  const revoke = ({ id, name }: ApiKey): void => {
    requestJson(`/v1/keys/${encodeURIComponent(id)}`, { method: "DELETE" })
      .then(() => notify(text("api-keys.revoked", { name })))
      .catch(notifyError)
      .finally(reload);
  };
  return (
    <div className="board-stack">
      {error !== undefined && <Problem error={error} onRetry={reload} />}
      {keys !== undefined && (
        <>
          <div className="board-tools">
            <p className="prose-note">{text(keys.required ? "api-keys.required" : "api-keys.not-required")}</p>
            <Button kind="primary" icon={<KeyRound />} onClick={() => setCreating(true)}>
              {text("api-keys.create")}
            </Button>
          </div>
          {keys.data.length === 0 ? (
            <p className="board-empty">{text("api-keys.none")}</p>
          ) : (
            <KeyTable keys={keys.data} onRevoke={setRevoked} />
          )}
        </>
      )}
      {isCreating && <CreateKeyDialog onCreated={reload} onClose={() => setCreating(false)} />}
      {revoked !== undefined && (
        <ConfirmDialog
          title={text("api-keys.revoke")}
          question={text("api-keys.revoke-sure", { name: revoked.name })}
          action={text("api-keys.revoke")}
          onConfirm={() => revoke(revoked)}
          onClose={() => setRevoked(undefined)}
        />
      )}
    </div>
  );
}

interface KeyTableProps {
  readonly keys: readonly ApiKey[];
  readonly onRevoke: (key: ApiKey) => void;
}

function KeyTable({ keys, onRevoke }: KeyTableProps) {
  const text = useText();
  return (
    <TableScroll isCard label={text("server.keys")}>
      <table className="table">
        <thead>
          <tr>
            <th scope="col">{text("api-keys.name")}</th>
            <th scope="col">{text("api-keys.scopes")}</th>
            <th scope="col">{text("api-keys.limit")}</th>
            <th scope="col">{text("api-keys.created")}</th>
            <th scope="col">
              <span className="hidden-text">{text("api-keys.revoke")}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {keys.map((key) => (
            <tr key={key.id}>
              <th scope="row">
                {key.name} <code className="faint">{key.id}</code>
              </th>
              <td>
                {key.scopes.map((scope) => (
                  <span key={scope} className={scope === "admin" ? "tag is-strong" : "tag"}>
                    {text(`api-keys.scope-${scope}`)}
                  </span>
                ))}
              </td>
              <td>{key.max_requests === null ? "" : text("api-keys.at-once", { n: key.max_requests })}</td>
              <td>{formatMoment(Date.parse(key.created))}</td>
              <td className="cell-end">
                <IconButton
                  size="small"
                  label={text("api-keys.revoke-name", { name: key.name })}
                  icon={<Trash2 />}
                  onClick={() => onRevoke(key)}
                />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </TableScroll>
  );
}

interface CreateKeyDialogProps {
  readonly onCreated: () => void;
  readonly onClose: () => void;
}

function CreateKeyDialog({ onCreated, onClose }: CreateKeyDialogProps) {
  const text = useText();
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState(FIRST_SCOPES);
  const [problem, setProblem] = useState<string>();
  const [secret, setSecret] = useState<string>();
  const create = (event: FormEvent): void => {
    event.preventDefault();
    requestJson<{ readonly key: string }>("/v1/keys", { method: "POST", body: { name: name.trim(), scopes } })
      .then(({ key }) => {
        setSecret(key);
        onCreated();
      })
      .catch((error: unknown) => setProblem(error instanceof Error ? error.message : String(error)));
  };
  if (secret !== undefined) return <SecretDialog name={name.trim()} secret={secret} onClose={onClose} />;
  return (
    <Dialog title={text("api-keys.create")} width="narrow" onClose={onClose}>
      <form className="stack" onSubmit={create}>
        <Field label={text("api-keys.name")} hint={text("api-keys.name-hint")} error={problem}>
          {(attributes) => (
            <TextInput
              {...attributes}
              autoFocus
              maxLength={128}
              value={name}
              onChange={(event) => {
                setName(event.target.value);
                setProblem(undefined);
              }}
            />
          )}
        </Field>
        {SCOPES.map((scope) => (
          <Switch
            key={scope}
            label={text(`api-keys.scope-${scope}`)}
            hint={text(`api-keys.scope-${scope}-hint`)}
            isOn={scopes.includes(scope)}
            onChange={(isOn) => setScopes(SCOPES.filter((one) => (one === scope ? isOn : scopes.includes(one))))}
          />
        ))}
        <div className="dialog-actions">
          <Button onClick={onClose}>{text("common.cancel")}</Button>
          <Button kind="primary" type="submit" disabled={name.trim() === "" || scopes.length === 0}>
            {text("api-keys.create")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

interface SecretDialogProps {
  readonly name: string;
  readonly secret: string;
  readonly onClose: () => void;
}

/** The only place where a key is ever shown. */
function SecretDialog({ name, secret, onClose }: SecretDialogProps) {
  const text = useText();
  const copy = (): void => void copyText(secret).then(() => notify(text("common.copied")));
  return (
    <Dialog
      title={text("api-keys.secret-title", { name })}
      onClose={onClose}
      actions={
        <>
          <Button icon={<Copy />} onClick={copy}>
            {text("common.copy")}
          </Button>
          <Button kind="primary" onClick={onClose}>
            {text("api-keys.kept")}
          </Button>
        </>
      }
    >
      <div className="stack">
        <p className="prose-note">{text("api-keys.secret-note")}</p>
        <code className="secret" aria-label={text("key.label")}>
          {secret}
        </code>
      </div>
    </Dialog>
  );
}
