"""The test vectors of the statistics, by their ids."""

import json
from pathlib import Path

VECTORS = {
    vector["id"]: vector
    for vector in json.loads((Path(__file__).parent / "vectors.json").read_text())["vectors"]
}
