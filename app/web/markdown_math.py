r"""Finds TeX in Markdown: `$...$`, `$$...$$`, `\(...\)` and `\[...\]`, by pandoc's rules.

A dollar opens a formula when no space follows it, and the next one closes it when no space is
before it and no digit behind it: "$5 and $10" stays a price. The source is kept with its
delimiters, so that it can be read as it was written until a script of the page sets it.
"""

from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markupsafe import escape

CLASSES = {"math inline", "math display"}
CLOSINGS = {"$$": "$$", "\\[": "\\]", "\\(": "\\)", "$": "$"}
INTERRUPTED = ["paragraph", "reference", "blockquote", "list"]


def add_math(parser: MarkdownIt) -> None:
    """Teach a parser to keep formulas apart from Markdown."""
    parser.inline.ruler.before("escape", "math", _inline)
    parser.block.ruler.before("fence", "math_block", _block, {"alt": INTERRUPTED})
    parser.add_render_rule("math_inline", _render_inline)
    parser.add_render_rule("math_display", _render_inline)
    parser.add_render_rule("math_block", _render_block)


def _opening(source: str, position: int) -> str | None:
    pair = source[position : position + 2]
    if pair in CLOSINGS:
        return pair
    return "$" if pair[:1] == "$" else None


def _inline(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - called by the parser
    source, start = state.src, state.pos
    opening = _opening(source, start)
    if opening is None:
        return False
    inside = start + len(opening)
    end = _end_of_dollars(source, inside) if opening == "$" else _end_of(source, inside, opening)
    if end is None or end > state.posMax:
        return False
    closing = CLOSINGS[opening]
    content = source[inside : end - len(closing)]
    if not content.strip() or "`" in content:  # code wins
        return False
    if not silent:
        is_display = opening in ("$$", "\\[")
        token = state.push("math_display" if is_display else "math_inline", "span", 0)
        token.content = source[start:end]
    state.pos = end
    return True


def _end_of_dollars(source: str, inside: int) -> int | None:
    """Where `$...$` ends; only the first dollar that is not escaped can close it."""
    if source[inside : inside + 1].isspace() or source[inside - 2 : inside - 1] == "$":
        return None
    end = _find(source, "$", inside)
    if end is None or source[end - 1].isspace() or source[end + 1 : end + 2].isdigit():
        return None
    return end + 1


def _end_of(source: str, inside: int, opening: str) -> int | None:
    end = _find(source, CLOSINGS[opening], inside)
    return None if end is None else end + 2


def _find(source: str, closing: str, start: int) -> int | None:
    """The first place of the closing delimiter that is not escaped."""
    end = source.find(closing, start)
    while end > 0 and _is_escaped(source, end, start):
        end = source.find(closing, end + 1)
    return None if end < 0 else end


def _is_escaped(source: str, position: int, start: int) -> bool:
    backslashes = 0
    while position - backslashes > start and source[position - backslashes - 1] == "\\":
        backslashes += 1
    return backslashes % 2 == 1


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001
    """A formula on lines of its own, whose lines would otherwise be lists, headings or rulers."""
    if state.is_code_block(start):
        return False
    begin = state.bMarks[start] + state.tShift[start]
    opening = state.src[begin : begin + 2]
    if opening not in ("$$", "\\["):
        return False
    last = _last_line(state, start, end, opening)
    if last is None:
        return False
    content = state.getLines(start, last + 1, state.blkIndent, False).strip()
    if "`" in content or not content[2:-2].strip():
        return False
    if not silent:
        state.line = last + 1
        token = state.push("math_block", "p", 0)
        token.block, token.content, token.map = True, content, [start, state.line]
    return True


def _last_line(state: StateBlock, start: int, end: int, opening: str) -> int | None:
    """The line that the formula ends with; None when it does not end where a line does.

    An empty line, the end of the list around it, or another opening comes before; the last of these
    also keeps the search linear.
    """
    for number in range(start, end):
        begin = state.bMarks[number] + state.tShift[number]
        line = state.src[begin : state.eMarks[number]].rstrip()
        if number > start and (not line or state.sCount[number] < state.blkIndent):
            return None
        inside = 2 if number == start else 0
        closing = _find(line, CLOSINGS[opening], inside)
        if closing is not None:
            return number if closing + 2 == len(line) else None
        if _find(line, opening, inside) is not None:
            return None
    return None


def _render_inline(_renderer: object, tokens: Sequence[Token], index: int, *_: object) -> str:
    token = tokens[index]
    kind = "inline" if token.type == "math_inline" else "display"
    return f'<span class="math {kind}">{escape(token.content)}</span>'


def _render_block(_renderer: object, tokens: Sequence[Token], index: int, *_: object) -> str:
    return f'<p><span class="math display">{escape(tokens[index].content)}</span></p>\n'
