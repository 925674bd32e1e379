"""The sample run: K responses for each prompt, from folders or from an endpoint.

A prompt's slate is appended to `responses.jsonl` as soon as it is complete. A run that is started
again goes on after the last complete line, so nothing is sampled twice. What they were sampled for
stands beside them, so that slates of another spec or of other prompts are not taken for its own.
"""

import contextlib
import hashlib
import importlib
import unicodedata
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue

from pydantic import ValidationError

from trainer import rundir
from trainer.errors import RunRefusedError
from trainer.result import RunResult
from trainer.running.lineage import file_sha256
from trainer.running.rows import read_rows
from trainer.running.seeds import derive_seed
from trainer.sampling import endpoint
from trainer.sampling.sampler import Request, Sampled, Sampler
from trainer.spec import (
    Problem,
    PromptRow,
    SampledModel,
    SampledResponse,
    SampledSlate,
    SampleSpec,
    Sampling,
)
from trainer.spec_file import first_error

# An engine is fast as long as many sequences are under way. As many slates at least keep it so,
# also while each has one response left.
ENDPOINT_REQUESTS = ENDPOINT_SLATES = 64
# How long a signal to end can go unseen while all slates wait for an endpoint.
SIGNAL_SECONDS = 0.5
SHOWN_TEXTS = 8
# The sha256 of the spec and the prompts that responses.jsonl is of.
SOURCE_FILE = "responses.sha256"


@dataclass
class Place:
    """One place of a slate while it is being filled."""

    prompt: PromptRow
    index: int
    model: str
    attempts: int = 0
    seed: int = 0
    sampled: Sampled = field(default_factory=lambda: Sampled("", "stop"))
    problem: Problem | None = "empty"


def run(spec: SampleSpec, run_dir: Path) -> None:
    """Do a sample run: `responses.jsonl` and `result.json` are there afterwards.

    Raises:
        RunRefusedError: when there are no prompts or a model cannot be sampled.
        RunDivergedError: when the endpoint fails for good.
    """
    prompts = _read_prompts(run_dir / spec.prompts)
    (run_dir / rundir.RESULT_FILE).unlink(missing_ok=True)
    _require_own_slates(spec, run_dir)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(rundir.appending(run_dir / rundir.RESPONSES_FILE))
        metrics_file = stack.enter_context(rundir.appending(run_dir / rundir.METRICS_FILE))
        slates = _read_slates(run_dir)
        waiting = [prompt for prompt in prompts if prompt.prompt_id not in slates]
        samplers = _open_samplers(spec, stack) if waiting else {}
        turn = {prompt.prompt_id: at for at, prompt in enumerate(prompts)}
        counted = _count(slates.values())
        for filled in stack.enter_context(
            contextlib.closing(_fill_all(spec, waiting, samplers, turn))
        ):
            for slate in filled:
                rundir.append_line(file, slate.model_dump())
                slates[slate.prompt_id] = slate
            counted.update(_count(filled))
            rundir.append_metrics(
                metrics_file,
                step=len(slates),
                progress=len(slates) / len(prompts),
                metrics={**counted},
            )
    complete = [slates[prompt.prompt_id] for prompt in prompts]
    texts = [response.text for slate in complete for response in slate.responses]
    cut = {slate.prompt_id: slate.cut for slate in complete if slate.cut}
    rundir.write_result(
        run_dir,
        RunResult(
            kind="sample",
            metrics={**counted},
            rows={"prompts": len(complete), "responses": len(texts), "cut": len(cut)},
            rows_cut=cut,
            texts=texts[:SHOWN_TEXTS],
            versions=rundir.versions(),
        ),
    )


def _fill_all(
    spec: SampleSpec,
    prompts: Sequence[PromptRow],
    samplers: dict[str, Sampler],
    turn: Mapping[str, int],
) -> Generator[list[SampledSlate]]:
    """Yield slates as soon as they are complete.

    An endpoint answers for many at a time, and none of them waits for a slower one. A model on
    this machine samples for one batch of prompts after the other.
    """

    def fill(batch: Sequence[PromptRow]) -> list[SampledSlate]:
        turns = [turn[prompt.prompt_id] for prompt in batch]
        return fill_slates(spec, batch, samplers, turns=turns)

    if not prompts:
        return
    if any(model.path is not None for model in spec.models):
        at_once = importlib.import_module("trainer.sample_local").prompts_at_once()
        for start in range(0, len(prompts), at_once):
            yield fill(prompts[start : start + at_once])
        return
    pool, done = ThreadPoolExecutor(ENDPOINT_SLATES), SimpleQueue[Future[list[SampledSlate]]]()
    try:
        for prompt in prompts:
            pool.submit(fill, [prompt]).add_done_callback(done.put)
        for _ in prompts:
            yield _next_of(done).result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _next_of(done: SimpleQueue[Future[list[SampledSlate]]]) -> Future[list[SampledSlate]]:
    # A signal that another thread catches does not wake this one, whose turn it is to handle it.
    while True:
        with contextlib.suppress(Empty):
            return done.get(timeout=SIGNAL_SECONDS)


def fill_slates(
    spec: SampleSpec,
    prompts: Sequence[PromptRow],
    samplers: dict[str, Sampler],
    *,
    turns: Sequence[int],
) -> list[SampledSlate]:
    """Sample a slate for each prompt; what is empty or a duplicate is drawn again with a new seed.

    Args:
        spec: of the run.
        prompts: one slate each.
        samplers: by model name.
        turns: of each prompt; they rotate the models, so that each fills as many places overall.
    """
    names = [model.name for model in spec.models]
    slates = [
        [
            Place(prompt, index, names[(index + turn) % len(names)])
            for index in range(spec.responses_per_prompt)
        ]
        for prompt, turn in zip(prompts, turns, strict=True)
    ]
    for attempt in range(spec.max_resamples + 1):
        _sample(
            [place for slate in slates for place in slate if place.problem is not None],
            samplers,
            seed=spec.sampling.seed,
            attempt=attempt,
        )
        for slate in slates:
            mark_problems(slate)
    return [
        SampledSlate(
            prompt_id=prompt.prompt_id,
            responses=[_finished(place, spec.sampling) for place in slate],
            cut=_cut_of(slate),
        )
        for prompt, slate in zip(prompts, slates, strict=True)
    ]


def mark_problems(slate: Sequence[Place]) -> None:
    """Say of each response whether it is empty, or a duplicate of one that stays."""
    kept = {normalize(place.sampled.text) for place in slate if place.problem is None}
    for place in slate:
        if place.problem is None:
            continue
        text = normalize(place.sampled.text)
        place.problem = "empty" if not text else "duplicate" if text in kept else None
        kept.add(text)


def normalize(text: str) -> str:
    """Return what two responses are compared by: NFKC, runs of whitespace as one space."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def clean(text: str) -> str:
    """Drop what no database stores: NUL, and halves of surrogate pairs become `?`."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _sample(
    places: Sequence[Place], samplers: dict[str, Sampler], *, seed: int, attempt: int
) -> None:
    for name, sampler in samplers.items():
        wanted = [place for place in places if place.model == name]
        if not wanted:
            continue
        for place in wanted:
            place.attempts += 1
            place.seed = derive_seed(seed, place.prompt.prompt_id, place.index, attempt)
        answers = sampler([Request(place.prompt, place.seed) for place in wanted])
        for place, answer in zip(wanted, answers, strict=True):
            place.sampled = replace(answer, text=clean(answer.text))


def _cut_of(slate: Sequence[Place]) -> str:
    """Say which models did not read the whole prompt; empty when all did."""
    said = (f"{place.sampled.cut} for {place.model}" for place in slate if place.sampled.cut)
    return ", ".join(dict.fromkeys(said))


def _finished(place: Place, sampling: Sampling) -> SampledResponse:
    return SampledResponse(
        text=place.sampled.text,
        model=place.model,
        seed=place.seed,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_new_tokens=sampling.max_new_tokens,
        attempts=place.attempts,
        finish=place.sampled.finish,
        problem=place.problem,
    )


def _require_own_slates(spec: SampleSpec, run_dir: Path) -> None:
    """Note what is sampled for, or refuse slates that are there and are of something else."""
    own = hashlib.sha256(spec.model_dump_json().encode())
    own.update(file_sha256(run_dir / spec.prompts).encode())
    path, responses = run_dir / SOURCE_FILE, run_dir / rundir.RESPONSES_FILE
    is_begun = responses.is_file() and responses.stat().st_size > 0
    if is_begun and path.is_file() and path.read_text(encoding="utf-8") != own.hexdigest():
        raise RunRefusedError(
            f"{responses} was sampled before spec.json or {spec.prompts} was changed; take a new "
            "run directory, or remove that file to sample again"
        )
    rundir.replace_file(path, own.hexdigest().encode())


def _read_slates(run_dir: Path) -> dict[str, SampledSlate]:
    try:
        return {slate.prompt_id: slate for slate in rundir.read_sampled_from(run_dir, 0).rows}
    except ValidationError as error:
        raise RunRefusedError(
            f"{run_dir / rundir.RESPONSES_FILE} holds a line that is no slate: "
            f"{first_error(error)}; remove that line or the file"
        ) from None


def _read_prompts(path: Path) -> list[PromptRow]:
    prompts = read_rows(path, PromptRow)
    if not prompts:
        raise RunRefusedError(f"{path} holds no prompt; there is nothing to sample for")
    if len({prompt.prompt_id for prompt in prompts}) < len(prompts):
        raise RunRefusedError(f"{path} holds a prompt_id twice; one slate a prompt is made")
    return prompts


def _open_samplers(spec: SampleSpec, stack: contextlib.ExitStack) -> dict[str, Sampler]:
    samplers: dict[str, Sampler] = {}
    for model in spec.models:
        if model.path is None:
            samplers[model.name] = stack.enter_context(_endpoint_sampler(model, spec.sampling))
        else:
            # Imported here: a run that only asks an endpoint needs no torch.
            local = importlib.import_module("trainer.sample_local")
            samplers[model.name] = local.open_sampler(model.path, spec.sampling)
    return samplers


@contextlib.contextmanager
def _endpoint_sampler(model: SampledModel, sampling: Sampling) -> Iterator[Sampler]:
    with endpoint.connect() as client:
        pool = ThreadPoolExecutor(ENDPOINT_REQUESTS)

        def ask(request: Request) -> Sampled:
            answer = endpoint.ask(
                client,
                request.prompt.messages,
                model=model.endpoint_model or model.name,
                sampling=sampling,
                seed=request.seed,
            )
            return Sampled(answer.text, answer.finish)

        try:
            yield lambda requests: list(pool.map(ask, requests))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _count(slates: Collection[SampledSlate]) -> Counter[str]:
    responses = [response for slate in slates for response in slate.responses]
    return Counter(
        {
            "sampled/prompts": len(slates),
            "sampled/responses": len(responses),
            "sampled/resampled": sum(response.attempts > 1 for response in responses),
            "sampled/empty": sum(response.problem == "empty" for response in responses),
            "sampled/duplicate": sum(response.problem == "duplicate" for response in responses),
        }
    )
