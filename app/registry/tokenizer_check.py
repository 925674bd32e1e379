"""Whether a model folder has a tokenizer that can write a conversation and end a response.

Read as JSON: what only loading it tells is left to the trainer. The chat template is tried in a
process of its own, whose time and memory are bounded and which knows no secret.
"""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from app.errors import InvalidError

TOKENIZER, SETTINGS, NAMES = "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"
TEMPLATE = "chat_template.jinja"
# What `check_tokenizer` reads beside config.json.
TOKENIZER_FILES = (TOKENIZER, SETTINGS, NAMES, TEMPLATE)
# Any of these sets of files is a tokenizer.
TOKENIZERS = ({TOKENIZER}, {"tokenizer.model"}, {"vocab.json", "merges.txt"})
MAX_TEMPLATE_BYTES = 2**20
# Classes without a token of their own, and architectures whose class has an EOS token by default.
PLAIN_CLASSES = ("PreTrainedTokenizerFast", "TokenizersBackend")
HAVE_EOS = {"qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "phi", "gpt2", "gpt_neox", "opt"}
SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token")
TRIAL = Path(__file__).with_name("template_trial.py")
# Far more than the process's own limit of computing time, for a machine that is busy.
TRIAL_SECONDS = 60


def check_tokenizer(names: Collection[str], contents: Mapping[str, bytes]) -> None:
    """Check the tokenizer of a model folder.

    Args:
        names: of all files of the folder.
        contents: of config.json and of those of `TOKENIZER_FILES` that are there, by name.

    Raises:
        InvalidError: there is none, it is damaged, or it has no EOS token or no usable template.
    """
    if not any(files <= set(names) for files in TOKENIZERS):
        raise InvalidError(
            f"The folder has no {TOKENIZER} and no tokenizer.model; save the tokenizer beside the "
            "model.",
            code="no_tokenizer",
        )
    if TOKENIZER in contents and not isinstance(_object(contents, TOKENIZER).get("model"), dict):
        raise InvalidError(
            f"{TOKENIZER!r} holds no tokenizer; copy the file again.", code="bad_tokenizer"
        )
    settings = _object(contents, SETTINGS)
    tokens = _special_tokens(settings, _object(contents, NAMES))
    if "eos_token" not in tokens and not _has_eos_by_class(
        settings, _object(contents, "config.json")
    ):
        raise InvalidError(
            f"The tokenizer has no EOS token, which ends a response; name it as eos_token in "
            f"{SETTINGS}. What config.json and generation_config.json say does not count.",
            code="no_eos_token",
        )
    name, template = _template(settings, contents)
    if template is not None:
        # A class may have more by default: a template that adds one to a text must not fail here.
        by_class = {} if _is_plain(settings) else dict.fromkeys(SPECIAL_TOKENS, "<token>")
        _try_template(name, template, by_class | tokens)


def _object(contents: Mapping[str, bytes], name: str) -> dict[str, Any]:
    try:
        value = json.loads(contents.get(name, b"{}"))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InvalidError(
            f"{name!r} is not a JSON object; copy the file again.", code="bad_tokenizer"
        )
    return value


def _special_tokens(settings: dict[str, Any], names: dict[str, Any]) -> dict[str, str]:
    """The special tokens that the files name; the older file counts where the newer one is old."""
    said = settings if "added_tokens_decoder" in settings else settings | names
    tokens = {}
    for name in SPECIAL_TOKENS:
        token = said.get(name)
        content = token.get("content") if isinstance(token, dict) else token
        if isinstance(content, str) and content:
            tokens[name] = content
    return tokens


def _is_plain(settings: dict[str, Any]) -> bool:
    return settings.get("tokenizer_class") in PLAIN_CLASSES


def _has_eos_by_class(settings: dict[str, Any], config: dict[str, Any]) -> bool:
    if "eos_token" in settings or _is_plain(settings):
        return False
    # Another class is named: the trainer knows.
    return "tokenizer_class" in settings or config.get("model_type") in HAVE_EOS


def _template(settings: dict[str, Any], contents: Mapping[str, bytes]) -> tuple[str, str | None]:
    """The template that conversations are written with and the file that it is from.

    Raises:
        InvalidError: it is not text, too long, or none of several is the default.
    """
    name, template = SETTINGS, settings.get("chat_template")
    if TEMPLATE in contents:
        name, template = TEMPLATE, contents[TEMPLATE].decode("utf-8", "replace")
    if isinstance(template, list):
        own = [one for one in template if isinstance(one, dict) and one.get("name") == "default"]
        if not own:
            raise InvalidError(
                f"None of the chat templates in {name} is called 'default'; name one of them so.",
                code="bad_chat_template",
            )
        template = own[-1].get("template")
    if template is not None and not isinstance(template, str):
        raise InvalidError(f"The chat template in {name} is not text.", code="bad_chat_template")
    if template is not None and len(template) > MAX_TEMPLATE_BYTES:
        raise InvalidError(
            f"The chat template in {name} has {len(template):,} characters, more than "
            f"{MAX_TEMPLATE_BYTES:,}.",
            code="bad_chat_template",
        )
    return name, template


def _try_template(name: str, template: str, tokens: dict[str, str]) -> None:
    try:
        tried = subprocess.run(  # noqa: S603 - our own program; the template is its input
            [sys.executable, "-P", str(TRIAL)],
            input=json.dumps({"template": template, "tokens": tokens}).encode(),
            capture_output=True,
            timeout=TRIAL_SECONDS,
            check=True,
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        why = json.loads(tried.stdout)["why"]
    except (subprocess.SubprocessError, ValueError):
        why = "needs more time or memory than writing a conversation may take"
    if why is not None:
        raise InvalidError(
            f"The chat template in {name} {why}. Correct it and register the folder again.",
            code="bad_chat_template",
        )
