"""A lineage as a table: what stands behind the picture, and the same as CSV. Pure."""

from dataclasses import dataclass

from app.datasets.formats import csv_cell
from app.training.lineage import Lineage
from app.training.lineage_queries import LineageDataset
from app.training.lineage_words import address_of, details_of, kind_of, name_of

COLUMNS = ("id", "kind", "name", "made_from", "depending", "sha256", "details", "address")


@dataclass(frozen=True)
class Reference:
    """Another row: its key and name."""

    key: str
    name: str


@dataclass(frozen=True)
class Row:
    """A node in words; `depending` are all that were made from it, also by way of others."""

    key: str
    kind: str
    name: str
    address: str
    details: tuple[str, ...]
    made_from: list[Reference]
    depending: list[Reference]


def rows_of(lineage: Lineage, base: str) -> list[Row]:
    """The rows, each after those that it was made from.

    Args:
        lineage: what to list.
        base: the path of the project.
    """
    names = {node.key: Reference(node.key, name_of(node)) for node in lineage.nodes}
    return [
        Row(
            key=node.key,
            kind=kind_of(node),
            name=name_of(node),
            address=address_of(node, base),
            details=details_of(node),
            made_from=[names[key] for key in node.made_from],
            depending=[names[key] for key in lineage.depending[node.key]],
        )
        for node in lineage.nodes
    ]


def lineage_csv(lineage: Lineage, base: str) -> bytes:
    """The same as CSV (RFC 4180); several names of one cell stand apart by semicolons."""
    lines = [",".join(COLUMNS)]
    for node, row in zip(lineage.nodes, rows_of(lineage, base), strict=True):
        sha256 = node.facts.sha256 if isinstance(node.facts, LineageDataset) else None
        cells = (
            row.key,
            node.kind,
            row.name,
            "; ".join(one.name for one in row.made_from),
            "; ".join(one.name for one in row.depending),
            sha256,
            "; ".join(row.details),
            row.address,
        )
        lines.append(",".join(map(csv_cell, cells)))
    return "".join(f"{line}\r\n" for line in lines).encode()
