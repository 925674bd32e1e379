"""A script and all that it imports as one file: a page asks for it once, not for seventy files.

The modules stay as they are written; each becomes a function that is called once, in the order of
their imports. They keep to a simple form for it: imports by name (or `* as`, or of nothing) of
relative paths, at the start of a line, and exports where something is declared.
"""

import posixpath
import re
from collections.abc import Mapping

NAMES = r"(\{\s*\w+(?:\s*,\s*\w+)*\s*,?\s*\}|\* as \w+)"
IMPORT = re.compile(rf'^import (?:{NAMES} from )?"(\.[^"]*)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
NOT_JOINED = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
BY_OWN_PLACE = re.compile(r"\bimport\(|\bimport\.meta\b")


def bundle(sources: Mapping[str, str], entry: str, *, folder: str) -> str:
    """Join `entry` with the modules that it needs.

    Args:
        sources: the texts of modules by their paths.
        entry: the path of the module that the page would load.
        folder: where the bundle will be; what loads by `import()` or `import.meta` must be there.

    Raises:
        ValueError: when a module is not written in the form above, or modules import each other in
            a circle; the message names them.
    """
    joined: dict[str, str] = {}

    def join(path: str, importers: tuple[str, ...]) -> None:
        if path in importers:
            raise ValueError(f"{' -> '.join([*importers, path])} is a circle of imports")
        source = sources[path]
        if posixpath.dirname(path) != folder and BY_OWN_PLACE.search(source):
            raise ValueError(f"{path} loads by its own place, which would be another: {folder}/")
        for found in IMPORT.finditer(source):
            needed = _resolved(path, found[2])
            if needed not in joined:
                join(needed, (*importers, path))
        joined[path] = _as_function(path, source)

    join(entry, ())
    return "".join(joined.values())


def _as_function(path: str, source: str) -> str:
    def constants(found: re.Match[str]) -> str:
        if found[1] is None:
            return ""
        return f"const {found[1].removeprefix('* as ')} = {_name(_resolved(path, found[2]))};\n"

    body = EXPORT.sub("", IMPORT.sub(constants, source))
    if other := NOT_JOINED.search(body):
        raise ValueError(f"{path} has a line that cannot be joined: {other[0]}")
    exports = ", ".join(EXPORT.findall(source))
    return f"const {_name(path)} = await (async () => {{\n{body}return {{ {exports} }};\n}})();\n"


def _resolved(path: str, imported: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), imported))


def _name(path: str) -> str:
    return "$" + re.sub(r"\W", "_", path)
