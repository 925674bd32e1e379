// Says in the header where the work is kept.

const TEXTS = {
  kept: "Kept here",
  "not kept": "Not kept: this browser's storage is full or blocked",
  saving: "Saving…",
  offline: "Offline, kept on this device",
  restored: "Draft restored",
};

export function createSaveState(element) {
  return (name, at) => {
    const time = at?.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    element.textContent = time ? `Saved ${time}` : TEXTS[name] ?? "";
  };
}
