// What KaTeX gets to see of a formula: the TeX between its delimiters, or nothing when it is too much or risky.
const MAX_CHARACTERS = 2000;
const PAIRS = [["$$", "$$", true], ["\\[", "\\]", true], ["\\(", "\\)", false], ["$", "$", false]];
// Macros multiply text: a short source could take the browser minutes.
const DEFINITION = /\\(?:[egx]?def|let|futurelet|(?:re)?newcommand|providecommand|global|long)(?![A-Za-z])/;
// KaTeX bounds lengths upwards only: with -900em a text would leave its place, or hide.
const LENGTH = String.raw`(?:(?:-\s*[1-9]\d*|\+?\s*\d{2,})(?:\.\d*)?\s*(?:em|ex|cm|in|pc|cc)`
  + String.raw`|[-+]?\s*\d{3,}(?:\.\d*)?\s*(?:pt|mu|mm|bp|dd|nd|nc|sp))`;
const LONG = new RegExp(String.raw`[{[]\s*${LENGTH}\s*[}\]]|\\[hm]?(?:kern|skip)\s*${LENGTH}`);

/** `{tex, displayMode}` of a source with its delimiters, or null. */
export function texOf(source) {
  const pair = PAIRS.find(([open, close]) => (
    source.length >= open.length + close.length && source.startsWith(open) && source.endsWith(close)
  ));
  if (!pair || source.length > MAX_CHARACTERS || DEFINITION.test(source) || LONG.test(source)) {
    return null;
  }
  const [open, close, displayMode] = pair;
  return { tex: source.slice(open.length, -close.length).trim(), displayMode };
}
