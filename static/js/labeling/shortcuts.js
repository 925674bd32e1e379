// Which action a key press asks for, as pure data: [name, argument] or null. No DOM here.
// Digits are read by physical key, so that keyboards with digits on Shift work too; letters by what they write.

const PLAIN = {
  j: ["next"],
  k: ["previous"],
  l: ["flags"],
  n: ["note"],
  x: ["expand"],
  r: ["goToBoard"],
  o: ["goToPrompt"],
  q: ["guidelines"],
  s: ["skip"],
  w: ["report"],
  y: ["unveil"],
  z: ["focusMode"],
  "/": ["find"],
  "=": ["tie"],
  "?": ["help"],
  ",": ["earlier"],
  ".": ["current"],
  backspace: ["rate", null],
  escape: ["putDown"],
};

export function actionOf(press, responseCount) {
  const { key, code, ctrlKey, metaKey, altKey, shiftKey } = press;
  if (key === "Enter" && (ctrlKey || metaKey)) {
    return [shiftKey ? "submitAndPause" : "submit"];
  }
  if ((ctrlKey || metaKey) && !altKey && !shiftKey && key.toLowerCase() === "s") {
    return ["saveNow"];
  }
  if (ctrlKey || metaKey) {
    return key.toLowerCase() === "z" && !altKey ? [shiftKey ? "redo" : "undo"] : null;
  }
  if (altKey) {
    return { ArrowUp: [shiftKey ? "moveApart" : "move", -1], ArrowDown: [shiftKey ? "moveApart" : "move", 1] }[key] ?? null;
  }
  const digit = /^(Digit|Numpad)(\d)$/.exec(code ?? "");
  if (digit && (digit[1] === "Digit" || /^\d$/.test(key))) {
    const isRank = shiftKey || digit[1] === "Numpad";
    return digitAction(Number(digit[2]), isRank, responseCount);
  }
  const letter = key.toLowerCase();
  const position = letter.length === 1 ? letter.charCodeAt(0) - "a".charCodeAt(0) : -1;
  if (!shiftKey && position >= 0 && position < responseCount) {
    return ["focus", position];
  }
  if (letter === "u") {
    return [shiftKey ? "redo" : "undo"];
  }
  return PLAIN[letter] ?? null;
}

function digitAction(digit, isRank, responseCount) {
  if (isRank) {
    return digit === 0 ? ["unrank"] : digit <= responseCount ? ["place", digit - 1] : null;
  }
  return digit === 0 ? ["rate", null] : digit <= 7 ? ["rate", digit] : null;
}
