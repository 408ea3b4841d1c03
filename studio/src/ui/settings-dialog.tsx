// Settings of the page itself: language, appearance, how answers are drawn, key.

import { useState } from "react";
import { Button } from "./button.tsx";
import { Dialog } from "./dialog.tsx";
import { Segments, Switch } from "./field.tsx";
import { setTheme, THEMES, useTheme } from "./theme.ts";
import { apiKey, forgetKey } from "../api/client.ts";
import { LANGUAGES, setLanguage, useLanguage, useText } from "../i18n/i18n.ts";
import { setRecording } from "../inside/recording.ts";
import { useIsOn, writeSetting } from "../store/local.ts";

const LANGUAGE_NAMES = { en: "English", "zh-CN": "简体中文" } as const;

export function SettingsDialog({ onClose }: { readonly onClose: () => void }) {
  const text = useText();
  const language = useLanguage();
  const theme = useTheme();
  const [hasKey, setHasKey] = useState(apiKey() !== undefined);
  return (
    <Dialog title={text("settings.title")} width="narrow" onClose={onClose}>
      <div className="stack">
        <Segments
          label={text("settings.language")}
          value={language}
          onChange={setLanguage}
          choices={LANGUAGES.map((value) => ({ value, label: LANGUAGE_NAMES[value] }))}
        />
        <Segments
          label={text("settings.theme")}
          value={theme}
          onChange={setTheme}
          choices={THEMES.map((value) => ({ value, label: text(`theme.${value}`) }))}
        />
        <Switch
          label={text("settings.open-thinking")}
          isOn={useIsOn("open-thinking")}
          onChange={(isOn) => writeSetting("open-thinking", isOn ? "yes" : undefined)}
        />
        <Switch
          label={text("settings.token-colours")}
          hint={text("settings.token-colours-hint")}
          isOn={useIsOn("token-colours")}
          onChange={(isOn) => {
            writeSetting("token-colours", isOn ? "yes" : undefined);
            if (isOn) setRecording(true);
          }}
        />
        {hasKey && (
          <Button
            onClick={() => {
              forgetKey();
              setHasKey(false);
            }}
          >
            {text("key.forget")}
          </Button>
        )}
      </div>
    </Dialog>
  );
}
