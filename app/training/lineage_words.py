"""What a lineage says of its rounds, datasets, models and runs, and where their pages are. Pure."""

from app.training.display import KIND_NAMES
from app.training.lineage import Node, accuracy_of
from app.training.lineage_queries import (
    LineageDataset,
    LineageModel,
    LineageRound,
    LineageRun,
)
from app.web.formats import number, percent
from app.web.translation import gettext, ngettext

NODE_KINDS = {
    "base": "base model",
    "sft": "SFT model",
    "reward": "reward model",
    "policy": "policy",
    "round": "round",
    "dataset": "dataset",
    "run": "run",
}
SHA_DIGITS = 12


def kind_of(node: Node) -> str:
    """What the node is."""
    return gettext(NODE_KINDS[node.kind])


def name_of(node: Node) -> str:
    """What the node is called."""
    match node.facts:
        case LineageModel(name=name):
            return name
        case LineageRound(number=round_number):
            return gettext("Round %(number)s", number=round_number)
        case LineageDataset(id=dataset_id):
            return gettext("Dataset %(id)s", id=dataset_id)
        case LineageRun(id=run_id):
            return gettext("Run %(id)s", id=run_id)


def address_of(node: Node, base: str) -> str:
    """The path of the node's page.

    Args:
        node: the node.
        base: the path of the project.
    """
    match node.facts:
        case LineageModel(name=name):
            return f"/models/{name}"
        case LineageRound(number=round_number):
            return f"{base}/rounds/{round_number}"
        case LineageDataset(id=dataset_id):
            return f"{base}/datasets#dataset-{dataset_id}"
        case LineageRun(id=run_id):
            return f"{base}/runs/{run_id}"


def details_of(node: Node) -> tuple[str, ...]:
    """A few short facts, the most telling ones first."""
    match node.facts:
        case LineageModel() as model:
            return _of_model(model)
        case LineageRound() as one:
            return (_sampled(one), *_labeled(one))
        case LineageDataset() as dataset:
            return (
                gettext(
                    "%(rankings)s rankings, %(comparisons)s comparisons",
                    rankings=number(dataset.rankings),
                    comparisons=number(dataset.comparisons),
                ),
                f"sha256 {dataset.sha256[:SHA_DIGITS]}",
                *([_rounds(dataset.rounds)] if dataset.rounds else []),
            )
        case LineageRun(kind=kind, status=status, progress=progress):
            return (gettext(KIND_NAMES[kind]), f"{gettext(status)}, {percent(progress, 0)}")


def captions_of(node: Node) -> tuple[str, str]:
    """The two lines that a box has room for below the name."""
    details = details_of(node)
    if not isinstance(node.facts, LineageModel):
        return (details[0], details[1] if len(details) > 1 else "")
    *measured, made = details
    if measured and node.facts.run_id is not None:
        made = gettext("run %(run_id)s", run_id=node.facts.run_id)  # its kind is the model's
    return (kind_of(node), ", ".join((*measured, made)))


def _of_model(model: LineageModel) -> tuple[str, ...]:
    measured = accuracy_of(model)
    accuracy: tuple[str, ...] = ()
    if measured is not None:
        accuracy = (gettext("accuracy %(share)s", share=percent(measured.value)),)
    if model.run_kind is None:
        return (*accuracy, gettext("registered"))
    kind = gettext(KIND_NAMES[model.run_kind])
    return (*accuracy, gettext("run %(id)s (%(kind)s)", id=model.run_id, kind=kind))


def _sampled(one: LineageRound) -> str:
    if one.source == "imported":
        return gettext("imported")
    temperature = (one.sampling or {}).get("temperature")
    return f"K = {number(one.responses_per_prompt)}, T = {number(temperature, 2)}"


def _labeled(one: LineageRound) -> tuple[str, ...]:
    if not one.rankings:
        return (gettext("not ranked yet"),)
    labelers = ngettext("%(count)s labeler", "%(count)s labelers", len(one.labelers))
    rankings = ngettext("%(count)s ranking", "%(count)s rankings", one.rankings)
    versions = ", ".join(map(str, one.guidelines))
    return (
        gettext("%(rankings)s, %(labelers)s", rankings=rankings, labelers=labelers),
        gettext("guidelines version %(versions)s", versions=versions),
    )


def _rounds(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return gettext("round %(number)s", number=numbers[0])
    return gettext("rounds %(numbers)s", numbers=_ranges(numbers))


def _ranges(numbers: list[int]) -> str:
    """Sorted numbers with dashes where they follow each other: 1–3, 5."""
    runs: list[list[int]] = []
    for one in numbers:
        if runs and one == runs[-1][1] + 1:
            runs[-1][1] = one
        else:
            runs.append([one, one])
    return ", ".join(f"{a}" if a == b else f"{a}–{b}" for a, b in runs)
