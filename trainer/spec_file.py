"""Reading `spec.json`, and saying in one line what is wrong with a document."""

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from trainer.errors import RunRefusedError
from trainer.rundir import SPEC_FILE
from trainer.spec import RunKind, RunSpec, run_spec_adapter


def read_spec(run_dir: Path, kind: RunKind) -> RunSpec:
    """Read and check `spec.json`.

    Raises:
        RunRefusedError: when it is missing, malformed or for another kind of run.
    """
    path = run_dir / SPEC_FILE
    if not run_dir.is_dir():
        raise RunRefusedError(f"{run_dir} is not a folder; a run directory holds a {SPEC_FILE}")
    try:
        content = path.read_bytes()
        spec = run_spec_adapter.validate_json(content, strict=True)
    except FileNotFoundError:
        raise RunRefusedError(f"{path} does not exist; a run directory needs a spec.json") from None
    except OSError as error:
        raise RunRefusedError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise RunRefusedError(f"{path}: {first_error(error)}") from None
    # Pydantic takes the last one.
    json.loads(content, object_pairs_hook=partial(_require_one_of_each, path))
    if spec.kind != kind:
        raise RunRefusedError(f"{path} is for a {spec.kind} run, but {kind} was asked for")
    return spec


def _require_one_of_each(path: Path, pairs: list[tuple[str, Any]]) -> None:
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise RunRefusedError(
                f"{path}: the key {name!r} is there {count} times; remove all but one"
            )


def first_error(error: ValidationError) -> str:
    """Say the first of pydantic's complaints in one line, without the texts of the input."""
    details = error.errors(include_url=False)
    first = details[0]
    # The union of specs adds the kind, which is no key of the document.
    skipped = 1 if first["loc"][:1] and first["loc"][0] in get_args(RunKind) else 0
    where = ".".join(str(part) for part in first["loc"][skipped:])
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return f"{where}{': ' if where else ''}{_complaint(first)}{more}"


def _complaint(details: ErrorDetails) -> str:
    given, context = details["input"], details.get("ctx", {})
    words = {
        "json_invalid": f"it is not JSON in UTF-8 ({context.get('error')})",
        "dict_type": "it is not a JSON object",
        "model_type": "it is not a JSON object",
        "extra_forbidden": "there is no such key here; correct its name or remove it",
        "missing": "the key is missing",
        "union_tag_not_found": "the key 'kind' is missing",
        "union_tag_invalid": f"kind is none of {context.get('expected_tags')}",
    }
    said = words.get(details["type"], details["msg"].removeprefix("Value error, "))
    is_number = isinstance(given, int | float) and details["type"] not in words
    return f"{said} (it is {given})" if is_number else said
