// Keys by name: "J", "Shift+N", "Alt+ArrowUp", "Control+Enter", "Numpad3". The names are those of aria-keyshortcuts. Pure.
import { t } from "../words.js";

const ONLY_MODIFIERS = ["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock", "NumLock", "Fn", "OS"];
const NO_CHARACTER = ["Dead", "Unidentified", "Process", "Compose"];
const SHOWN = {
  Control: t("Ctrl"), Shift: t("Shift"), Enter: t("Enter"), Backspace: t("Backspace"), Delete: t("Delete"),
  ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", Escape: t("Esc"), " ": t("Space"),
};
const MAX_LENGTH = 20; // As the server stores it.

// The name of what is pressed; null while it is only a modifier. Digits are read by physical key, so that keyboards with
// digits on Shift work too; letters and signs by what they write. Command counts as Control.
export function keyOf(press) {
  const { key, code } = press;
  if (ONLY_MODIFIERS.includes(key) || NO_CHARACTER.includes(key)) {
    return null;
  }
  const isAltGr = press.getModifierState?.("AltGraph") ?? false; // Writes a sign, though it reads as Ctrl and Alt.
  const isControl = !isAltGr && Boolean(press.ctrlKey || press.metaKey);
  const isAlt = !isAltGr && Boolean(press.altKey);
  const digit = isAltGr ? null : /^(Digit|Numpad)(\d)$/.exec(code ?? "");
  const modifiers = [isControl && "Control", isAlt && "Alt"];
  if (digit?.[1] === "Numpad" && /^\d$/.test(key)) {
    return named([...modifiers, `Numpad${digit[2]}`]);
  }
  if (digit?.[1] === "Digit") {
    return named([...modifiers, press.shiftKey && "Shift", digit[2]]);
  }
  const isSign = key.length === 1 && key.toLowerCase() === key.toUpperCase(); // Shift is in it: "?" and not "Shift+?".
  const upper = key.length === 1 && key.toUpperCase().length === 1 ? key.toUpperCase() : key;
  return named([...modifiers, press.shiftKey && !isSign && "Shift", upper]);
}

function named(parts) {
  return parts.filter(Boolean).join("+");
}

// Whether it is pressed without Ctrl and Alt: somebody who dictates, or leans on a key, presses it by accident.
export function isSingle(name) {
  return !/^(Control|Alt)\+/.test(name);
}

// What the caps of the keys say: "Control+Shift+Z" is Ctrl, Shift, Z.
export function capsOf(name) {
  return name.split(/\+(?=.)/).map((part) => SHOWN[part] ?? part.replace(/^Numpad/, "Num "));
}

// Why no action can have this key, as a sentence; null when it can.
export function reservedFor(name) {
  if (/^[A-I]$/.test(name)) {
    return t("The letters A to I go to the responses.");
  }
  if (/^(Shift\+|Numpad)?\d$/.test(name)) {
    return t("Digits rate and rank.");
  }
  if (name.startsWith("Control+") || /^Alt\+(Shift\+)?(Arrow(Left|Right)|Home|F4|Tab)$/.test(name)) {
    return t("The browser needs {keys} for itself.", { keys: capsOf(name).join(" ") });
  }
  const isControlKey = /^(Shift\+)?(Tab|Escape|Enter| |Arrow\w+|Page\w+|Home|End|Delete|Insert|F\d+|ContextMenu)$/.test(name);
  if (isControlKey || name.length > MAX_LENGTH) {
    return t("{keys} has its own meaning on pages.", { keys: capsOf(name).join(" ") });
  }
  return null;
}
