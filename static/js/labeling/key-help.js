// The dialog with all keys: shows the labeler's own, takes another one for an action, and turns single keys off.
import { capsOf, keyOf } from "./key-names.js";
import { keysOf, refusalOf, SHORTCUTS } from "./shortcuts.js";
import { t } from "../words.js";

export function enableKeyHelp(dialog, preferences) {
  const list = dialog.querySelector("[data-keys]");
  const message = dialog.querySelector("[data-keys-message]");
  const toggle = dialog.querySelector("[data-single-keys]");
  const resetAll = dialog.querySelector("[data-keys-reset]");
  const buttons = new Map(); // By the name of the action.
  const say = (text) => { message.textContent = text; };

  function render() {
    toggle.checked = preferences.now.single_keys;
    resetAll.hidden = Object.keys(preferences.now.keys).length === 0;
    list.replaceChildren(...SHORTCUTS.map(toRow));
  }

  function toRow(shortcut) {
    const row = document.createElement("div");
    const term = document.createElement("dt");
    keysOf(shortcut, preferences.now.keys).forEach((key, index) => term.append(...(index ? [t(" or ")] : []), ...toCaps(key)));
    const description = document.createElement("dd");
    description.append(shortcut.text);
    const actions = document.createElement("dd");
    actions.className = "key-actions";
    const change = toButton(t("Change"), shortcut, () => capture(change, shortcut));
    buttons.set(shortcut.name, change);
    if (preferences.now.keys[shortcut.name] !== undefined) {
      actions.append(toButton(t("Reset"), shortcut, () => reset(shortcut)));
    }
    actions.append(change);
    row.append(term, description, actions);
    return row;
  }

  // Takes the next key that is pressed on the button; Esc and Tab leave everything as it is.
  function capture(button, shortcut) {
    const listening = new AbortController();
    const { signal } = listening;
    const stop = (text) => {
      listening.abort();
      name(button, t("Change"), shortcut);
      say(text);
    };
    name(button, t("Press a key"), shortcut);
    say(t("Press the key for “{action}”. Esc leaves it as it is.", { action: shortcut.text }));
    button.addEventListener("blur", () => stop(""), { signal });
    button.addEventListener("keydown", (event) => {
      const key = keyOf(event);
      if (key === null || event.key === "Tab") {
        return;
      }
      event.preventDefault(); // Esc would close the dialog.
      if (key === "Escape") {
        stop("");
        return;
      }
      const refusal = refusalOf(shortcut.name, key, preferences.now.keys);
      if (refusal === null) {
        stop("");
        set(shortcut, key);
      } else {
        say(t("{refusal} Press another key, or Esc.", { refusal }));
      }
    }, { signal });
  }

  function reset(shortcut) {
    const refusal = refusalOf(shortcut.name, shortcut.keys[0], preferences.now.keys);
    if (refusal === null) {
      set(shortcut, shortcut.keys[0]);
    } else {
      say(refusal);
    }
  }

  function set(shortcut, key) {
    const { [shortcut.name]: _before, ...others } = preferences.now.keys;
    save({ keys: key === shortcut.keys[0] ? others : { ...others, [shortcut.name]: key } });
    buttons.get(shortcut.name).focus();
  }

  async function save(part) {
    const failure = await preferences.change(part);
    say(failure ?? t("Saved."));
  }

  resetAll.addEventListener("click", () => {
    save({ keys: {} });
    list.querySelector("button").focus(); // Its own is gone.
  });
  toggle.addEventListener("change", () => save({ single_keys: toggle.checked }));
  dialog.addEventListener("close", () => say(""));
  return { render };
}

function toCaps(key) {
  return capsOf(key).flatMap((cap) => [Object.assign(document.createElement("kbd"), { textContent: cap }), " "]);
}

function toButton(text, shortcut, onclick) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", onclick });
  name(button, text, shortcut);
  return button;
}

function name(button, text, shortcut) {
  button.textContent = text;
  button.setAttribute("aria-label", `${text}: ${shortcut.text}`);
}
