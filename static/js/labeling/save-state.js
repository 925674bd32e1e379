// Says in the header where the work is kept.
import { language, t } from "../words.js";

const TEXTS = {
  kept: t("Kept here"),
  "not kept": t("Not kept: this browser's storage is full or blocked"),
  saving: t("Saving…"),
  offline: t("Offline, kept on this device"),
  restored: t("Draft restored"),
};

const TROUBLE = ["not kept", "offline"]; // Said where there is no room for the rest, too.

export function createSaveState(element) {
  return (name, at) => {
    const time = at?.toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit" });
    element.toggleAttribute("data-trouble", TROUBLE.includes(name));
    element.textContent = time ? t("Saved {time}", { time }) : TEXTS[name] ?? "";
  };
}
