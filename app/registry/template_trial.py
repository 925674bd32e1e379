"""Try a chat template on two plain conversations: a program of its own, since templates are code.

Stdin: `{"template": ..., "tokens": {name: text}}`; stdout: `{"why": ...}`, null when all is well.
The sandbox is the one of transformers, with its names; time and memory are the process's limits.
"""

import json
import resource
import sys
from datetime import datetime
from typing import NoReturn

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

CPU_SECONDS = 2
MEMORY_BYTES = 2**29
MAX_CHARACTERS = 100_000
QUESTION, ANSWER, SECOND_QUESTION = "Name a river.", "The Elbe.", "Name another one."
CONVERSATIONS = (
    [("user", QUESTION)],
    [("user", QUESTION), ("assistant", ANSWER), ("user", SECOND_QUESTION)],
)


class Generation(Extension):
    """`{% generation %}` marks what the assistant says; here it is only passed through."""

    tags = {"generation"}  # noqa: RUF012 - as jinja declares it

    def parse(self, parser: Parser) -> nodes.Node:
        """Read up to `{% endgeneration %}`."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


def fault_of(template: str, tokens: dict[str, str]) -> str | None:
    """What keeps the template from writing a plain conversation; None when nothing does."""
    try:
        compiled = _environment().from_string(template)
    # Python's own compiler has limits too, and errors for them.
    except Exception as error:  # noqa: BLE001
        return f"does not compile: {_said(error)}"
    for conversation in CONVERSATIONS:
        roles = ", ".join(role for role, _ in conversation)
        messages = [{"role": role, "content": content} for role, content in conversation]
        text = ""
        try:
            for piece in compiled.generate(
                messages=messages, add_generation_prompt=True, tools=None, documents=None, **tokens
            ):
                text += piece
                if len(text) > MAX_CHARACTERS:
                    return f"writes more than {MAX_CHARACTERS:,} characters for {roles}"
        # A template raises what it likes.
        except Exception as error:  # noqa: BLE001
            return f"refuses a conversation of {roles}: {_said(error)}"
        if messages[-1]["content"] not in text:
            return f"leaves out what the user says last in a conversation of {roles}"
    return None


def _environment() -> ImmutableSandboxedEnvironment:
    jinja = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    jinja.filters["tojson"] = _to_json
    jinja.globals["raise_exception"] = _raise
    jinja.globals["strftime_now"] = _now
    return jinja


def _to_json(
    value: object,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002 - the order that templates rely on
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _raise(message: object) -> NoReturn:
    raise TemplateError(str(message))


def _now(pattern: str) -> str:
    return datetime.now().strftime(pattern)  # noqa: DTZ005 - as transformers has it


def _said(error: Exception) -> str:
    words = " ".join(str(error).split())[:200] or type(error).__name__
    # What a template raises is shown to people.
    words = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in words)
    line = getattr(error, "lineno", None)
    return words if line is None else f"{words} (line {line})"


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    asked = json.load(sys.stdin)
    json.dump({"why": fault_of(asked["template"], asked["tokens"])}, sys.stdout)
