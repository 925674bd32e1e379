// Where texts run from the right, the arrow to the left leads on.

const MIRRORED = { ArrowLeft: "ArrowRight", ArrowRight: "ArrowLeft" };

export function isFromTheRight(element) {
  return getComputedStyle(element).direction === "rtl";
}

// The arrow key that means the same where texts run from the left.
export function inReadingOrder(key, element) {
  return isFromTheRight(element) ? MIRRORED[key] ?? key : key;
}
