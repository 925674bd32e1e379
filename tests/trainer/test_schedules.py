"""The rates that runs make their steps with, and that their metrics report."""

import pytest

from tests.trainer.conftest import make_run, user
from tests.trainer.test_reward import ranking
from trainer import rundir
from trainer.running import optimization
from trainer.spec import DPOSettings, DPOSpec, RewardSettings, RewardSpec, SFTSettings, SFTSpec

PEAK = 1e-3
# Of five steps: a cosine from the peak to a tenth of it, without a warm-up and after two steps.
COSINE = [1.0, 0.868198, 0.55, 0.231802, 0.1]
WARMED = [1 / 3, 2 / 3, 1.0, 0.55, 0.1]

DEMONSTRATIONS = [
    {"prompt_id": str(n), "messages": user(f"Say {n}"), "response": str(n)} for n in range(5)
]
RANKINGS = [
    ranking(str(n), ["a", "b"], [1, 2], labeler=labeler, weight=0.5, split="train")
    for n in range(5)
    for labeler in ("ada", "bob")
]
SHORT = {"epochs": 1, "batch_size": 1, "learning_rate": PEAK, "max_tokens": 32}


@pytest.fixture
def stepped(monkeypatch):
    """Return the rate of every optimizer step that is made."""
    rates, step = [], optimization.guarded_step

    def note(optimizer, *arguments, **options):
        rates.extend({group["lr"] for group in optimizer.param_groups})
        return step(optimizer, *arguments, **options)

    monkeypatch.setattr(optimization, "guarded_step", note)
    return rates


def make(run_dir, kind, base, **changes):
    chosen = {**SHORT, **changes}
    spec = {
        "sft": lambda: SFTSpec(base_model=base, settings=SFTSettings(**chosen)),
        "reward": lambda: RewardSpec(base_model=base, settings=RewardSettings(**chosen)),
        "dpo": lambda: DPOSpec(base_model=base, settings=DPOSettings(**chosen)),
    }[kind]()
    return make_run(run_dir, spec, demonstrations=DEMONSTRATIONS, rankings=RANKINGS)


@pytest.mark.parametrize(
    ("kind", "changes", "shares"),
    [
        ("sft", {}, COSINE),
        ("sft", {"warmup_steps": 2}, WARMED),
        ("reward", {}, COSINE),
        ("dpo", {"warmup_steps": 0}, COSINE),
        ("dpo", {"warmup_steps": 2}, WARMED),
    ],
)
def test_a_run_steps_with_the_rates_of_its_schedule_and_reports_them(
    tmp_path, base, train, stepped, kind, changes, shares
):
    """S4."""
    run_dir = make(tmp_path / "run", kind, base, **changes)

    done = train(kind, run_dir)

    assert done.returncode == 0, done.stderr
    reported = [row["learning_rate"] for row in rundir.read_metrics_from(run_dir, 0).rows]
    assert reported == pytest.approx([PEAK * share for share in shares], rel=1e-5)
    assert stepped == reported


def test_every_training_of_the_labeler_experiment_has_the_whole_schedule(
    tmp_path, base, train, stepped
):
    run_dir = make(tmp_path / "run", "reward", base, labeler_folds=2)

    done = train("reward", run_dir)

    assert done.returncode == 0, done.stderr
    assert stepped == pytest.approx([PEAK * share for share in 3 * COSINE], rel=1e-5)
