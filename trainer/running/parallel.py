"""Several processes that train one model: `accelerate launch --multi_gpu -m trainer KIND RUN_DIR`.

Every rank reads all rows and plans the same steps; each forward pass of a plan is done by one of
them. Losses are sums divided by counts of the whole batch, so that gradients and logged numbers
only have to be added up: they are those of one process, rounding aside, however many ranks there
are. Rank 0 alone writes. Without a launcher nothing here does anything.

Decisions and small numbers go over the CPU (gloo), gradients from where they are.
"""

import bisect
import contextlib
import datetime as dt
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import IO, Final

import torch
from torch import Tensor, distributed
from torch.distributed.tensor import DTensor

from trainer import data, rundir
from trainer.errors import PEER_LOST, RunRefusedError
from trainer.running.seeds import derive_seed
from trainer.shared_prompt import Size

# Longer than rank 0 writes a checkpoint; a rank that ends is noticed at once, without it.
TIMEOUT = dt.timedelta(minutes=30)
# What another node has written is seen by then.
SHARED_SECONDS: Final = 3.0
# Gradients go in parts of about this many bytes.
BUCKET_BYTES: Final = 2**27
SUM, MAX = distributed.ReduceOp.SUM, distributed.ReduceOp.MAX


class PeerLostError(Exception):
    """Another rank has ended or does not answer; what is seen of it here says nothing of why."""

    def __init__(self) -> None:
        super().__init__(PEER_LOST)


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this one is."""

    rank: int
    count: int

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0


@dataclass(frozen=True)
class Part:
    """One forward pass of a plan.

    Attributes:
        items: indices of what it holds, one after the other.
        weight: 1, or 0 for a repeated pass that only keeps the ranks in step; losses are
            multiplied with it.
    """

    items: list[int]
    weight: float = 1.0


def is_lost_peer(error: BaseException) -> bool:
    """Tell whether an error only says that another rank has ended."""
    lost = (PeerLostError, distributed.DistError)
    return isinstance(error, lost) or "Connection closed by peer" in str(error)


def ranks() -> Ranks:
    """Return this process's place; one of one without a launcher."""
    if distributed.is_initialized():
        return Ranks(distributed.get_rank(), distributed.get_world_size())
    return Ranks(0, 1)


@contextlib.contextmanager
def connected() -> Iterator[None]:
    """Join the ranks that a launcher has started; each has its own GPU when there are any.

    Raises:
        PeerLostError: when they do not find each other.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    # Imported here: a single process needs none of it.
    from accelerate import PartialState  # noqa: PLC0415

    # Otherwise transformers gives empty weights to all ranks but one, for accelerate to fill.
    os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
    is_gpu = torch.cuda.is_available()
    backend = {"backend": "cpu:gloo,cuda:nccl"} if is_gpu else {}
    with _noticing_lost_peers():
        PartialState(cpu=not is_gpu, timeout=TIMEOUT, **backend)
    yield
    # Nobody leaves while rank 0 still writes. After an error all leave as they are.
    any_rank(False)
    distributed.destroy_process_group()


def require_shared(run_dir: Path) -> None:
    """Refuse a run directory that is not the same folder for all ranks; those of a node share it.

    A copy would do until the run goes on from a checkpoint, of which rank 0 has the only one.

    Raises:
        RunRefusedError: on all ranks.
    """
    here, heartbeat = ranks(), run_dir / rundir.HEARTBEAT_FILE
    written = 0
    if here.is_main and run_dir.is_dir():
        written = 1 + secrets.randbits(48)
        heartbeat.write_text(str(written))
    written = from_main(written)
    # Without a folder rank 0 refuses the run itself.
    apart = _last_rank(written > 0 and not _holds(heartbeat, written))
    if apart is not None:
        raise RunRefusedError(
            f"rank {apart} does not see in {run_dir} what rank 0 writes there; put the run "
            "directory on a disk that all nodes share"
        )


def _holds(path: Path, number: int) -> bool:
    # A disk over the network may show for a moment what was there before.
    deadline = time.monotonic() + SHARED_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            if path.is_file() and path.read_text() == str(number):
                return True
        time.sleep(0.1)
    return False


def require_same_models(parents: Mapping[str, str]) -> None:
    """Refuse models that are not the same for all ranks: each node reads them from its own path.

    Args:
        parents: the sha256 of each model that is read, by role.

    Raises:
        RunRefusedError: on all ranks.
    """
    number = derive_seed(*sorted(parents.items()))
    apart = _last_rank(number != from_main(number))
    if apart is not None:
        raise RunRefusedError(
            f"the models that spec.json names are other files for rank {apart} than for rank 0; "
            "put them on a disk that all nodes share, or copy them to each again"
        )


def _last_rank(flag: bool) -> int | None:  # noqa: FBT001 - it is what is asked
    """Return the last rank on which a flag is set, on all ranks."""
    last = int(largest_of(float(ranks().rank if flag else -1)))
    return None if last < 0 else last


# --- forward passes ------------------------------------------------------------------------------


def deal(sizes: Sequence[Size], *, tokens: int) -> Iterator[Part]:
    """Cut items into forward passes and yield those of this rank, as many as every other has.

    Args:
        sizes: of each item.
        tokens: that a pass may hold; a single larger item still goes alone.
    """
    here = ranks()
    if here.count == 1:
        for items in data.within_budget(sizes, tokens=tokens):
            yield Part(items)
        return
    parts = [Part(items) for items in cut_evenly(sizes, tokens=tokens, count=here.count)]
    if parts:
        parts += [Part(parts[-1].items, weight=0.0)] * (-len(parts) % here.count)
    yield from parts[here.rank :: here.count]


def cut_evenly(sizes: Sequence[Size], *, tokens: int, count: int) -> list[list[int]]:
    """Cut items, in order, into passes of about the same size for so many ranks.

    There are as few rounds as the budget allows, and within them the largest pass is as small as
    it can be.
    """

    def cut(budget: int) -> list[list[int]]:
        return list(data.within_budget(sizes, tokens=budget))

    wanted = -(-len(cut(tokens)) // count) * count
    budget = bisect.bisect_left(range(tokens), True, key=lambda budget: len(cut(budget)) <= wanted)
    return cut(budget)


def collect(done: Sequence[tuple[Part, Tensor]], lengths: Sequence[int]) -> Tensor:
    """Put together what the ranks have computed in their passes, in the order of the items.

    Args:
        done: the passes of this rank with their results, (sum of lengths of its items,) each.
        lengths: how many numbers each item has.

    Returns:
        (sum of lengths,), the same on all ranks.
    """
    if not done:
        return torch.empty(0)
    if ranks().count == 1:
        return torch.cat([numbers for _, numbers in done])
    starts = [0, *accumulate(lengths)]
    like = done[0][1]
    whole = torch.zeros(starts[-1], dtype=like.dtype)
    for part, numbers in done:
        if part.weight:
            start = starts[part.items[0]]
            whole[start : start + len(numbers)] = numbers.detach().cpu()
    return total(whole).to(like.device)


def collect_sequences(
    own: Mapping[int, Sequence[int]], *, count: int, longest: int
) -> list[tuple[int, ...]]:
    """Put together token sequences that the ranks have made.

    Args:
        own: those of this rank, by their place among all.
        count: of all ranks' sequences.
        longest: that one may be.
    """
    places = torch.zeros(count, longest + 1, dtype=torch.int64)
    for place, tokens in own.items():
        places[place, 0] = len(tokens)
        places[place, 1 : len(tokens) + 1] = torch.tensor(tokens, dtype=torch.int64)
    return [tuple(row[1 : row[0] + 1]) for row in total(places).tolist()]


# --- numbers -------------------------------------------------------------------------------------


def total(numbers: Tensor) -> Tensor:
    """Return the sum over ranks of numbers on the CPU, in place."""
    return _reduce(numbers, SUM)


def total_of(number: float) -> float:
    """Return the sum over ranks of a number."""
    return float(total(torch.tensor(number, dtype=torch.float64)))


def largest_of(number: float) -> float:
    """Return the largest of all ranks' numbers."""
    return float(_reduce(torch.tensor(number, dtype=torch.float64), MAX))


def any_rank(flag: bool) -> bool:  # noqa: FBT001 - it is what is asked
    """Tell whether a flag is set on any rank; a border where all ranks meet."""
    return flag if ranks().count == 1 else largest_of(float(flag)) > 0


def from_main(number: int) -> int:
    """Return rank 0's number."""
    here = ranks()
    if here.count == 1:
        return number
    return int(total(torch.tensor(number if here.is_main else 0, dtype=torch.int64)))


def sum_gradients(parameters: Iterable[Tensor]) -> None:
    """Add up the gradients of all ranks, in place; FSDP has done so with those of sharded weights.

    Every rank has gradients of the same parameters: each has done at least one pass.
    """
    if ranks().count == 1:
        return
    gradients = [
        parameter.grad
        for parameter in parameters
        if parameter.grad is not None and not isinstance(parameter.grad, DTensor)
    ]
    for bucket in _buckets(gradients):
        flat = _reduce(torch.cat([gradient.flatten() for gradient in bucket]), SUM)
        sizes = [gradient.numel() for gradient in bucket]
        for gradient, summed in zip(bucket, torch.split(flat, sizes), strict=True):
            gradient.copy_(summed.view_as(gradient))


def _buckets(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    size = 0
    for tensor in tensors:
        if bucket and (size > BUCKET_BYTES or tensor.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], 0
        bucket.append(tensor)
        size += tensor.numel() * tensor.element_size()
    if bucket:
        yield bucket


def _reduce(tensor: Tensor, operation: "distributed.ReduceOp.RedOpType") -> Tensor:
    if ranks().count > 1:
        with _noticing_lost_peers():
            distributed.all_reduce(tensor, op=operation)
    return tensor


@contextlib.contextmanager
def _noticing_lost_peers() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise PeerLostError from error


# --- files ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def appending(path: Path) -> Iterator[IO[str]]:
    """Open a `.jsonl` file to append to; what other ranks than 0 append goes nowhere."""
    if ranks().is_main:
        with rundir.appending(path) as file:
            yield file
    else:
        with Path(os.devnull).open("a", encoding="utf-8") as file:
            yield file
