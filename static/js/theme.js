// [data-theme-toggle]: switches between the system's theme, light and dark. The server makes pages in what the cookie
// says, so there is no flash of the other one.
import { t } from "./words.js";

const YEAR_SECONDS = 31_536_000;
const NAMES = { system: t("system"), light: t("light"), dark: t("dark") };
const NEXT = { system: "light", light: "dark", dark: "system" };
const root = document.documentElement;

function apply(button, choice) {
  if (choice === "system") {
    delete root.dataset.theme;
  } else {
    root.dataset.theme = choice;
  }
  button.dataset.choice = choice;
  button.setAttribute("aria-label", t("Theme: {choice}. Switch to {next}", { choice: NAMES[choice], next: NAMES[NEXT[choice]] }));
  button.title = t("Theme: {choice}", { choice: NAMES[choice] });
}

for (const button of document.querySelectorAll("[data-theme-toggle]")) {
  apply(button, root.dataset.theme ?? "system");
  button.addEventListener("click", () => {
    const choice = NEXT[button.dataset.choice];
    apply(button, choice);
    document.cookie = `podium_theme=${choice}; path=/; max-age=${YEAR_SECONDS}; samesite=lax`;
  });
}
