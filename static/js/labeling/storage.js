// The browser's storage, or null where it is blocked.

export function storage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}
