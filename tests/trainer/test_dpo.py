"""DPO: the loss is that of the definition, the reference is read once, a run learns and resumes."""

import copy
import json
import math
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.trainer.conftest import make_run
from tests.trainer.test_reward import cut, prompts_of, ranking, rankings_by_share_of_a
from trainer import data, models, rundir
from trainer.errors import RunDivergedError
from trainer.losses import comparisons_of, implicit_rewards, kwise_loss
from trainer.preference import dpo_step, kwise_step
from trainer.spec import DPOSettings, DPOSpec

ROWS = [
    ranking("p", ["a", "b" * 60, "", "cc ddd"], [2, 1, 3, 3]),
    ranking("q", ["e" * 180, "f"], [1, 2]),
    ranking("r", ["gg", "h", "iii"], [1, 2, 3], labeler="l1", weight=0.5),
    ranking("r", ["gg", "h", "iii"], [3, 1, 2], labeler="l2", weight=0.5),
]


def load(base):
    return models.load_policy(Path(base), seed=0)


def shifted(policy):
    """A copy whose distributions differ from the policy's."""
    other = copy.deepcopy(policy)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return other


def accumulate_loss(policy, references, prompts, settings):
    """The mean loss over the prompts, whose gradient the policy has afterwards, and the rewards."""
    reward = partial(dpo_step.reward_prompts, policy, references, settings)
    return kwise_step.accumulate_loss(policy, reward, prompts, settings)


def logprob(policy, prompt, response):
    """Log-probability of one response by the model's own forward, nothing shared."""
    tokens = torch.tensor([[*prompt, *response]])
    logprobs = policy(tokens).logits[0, :-1].log_softmax(-1)
    places = range(len(prompt) - 1, len(prompt) + len(response) - 1)
    return sum(logprobs[place, token] for place, token in zip(places, response, strict=True))


def loss_pair_by_pair(policy, reference, prompts, beta):
    """Equation 7 for each pair, four forward passes each; the mean over pairs, then prompts."""
    total = 0.0
    for prompt in prompts:
        for one in prompt.rankings:
            pairs = comparisons_of(one.ranks, ties="drop")
            for pair in pairs:
                chosen, rejected = (
                    prompt.tree.responses[one.places[place]]
                    for place in (pair.chosen, pair.rejected)
                )
                ratios = [
                    logprob(policy, prompt.tree.prompt, response)
                    - logprob(reference, prompt.tree.prompt, response).detach()
                    for response in (chosen, rejected)
                ]
                loss = -torch.nn.functional.logsigmoid(beta * (ratios[0] - ratios[1]))
                total = total + one.weight * loss / len(pairs)
    return total / len(prompts)


@pytest.mark.parametrize("tokens_per_forward", [16_384, 256])
def test_loss_and_gradient_are_those_of_the_pairwise_definition(
    base, tokenizer, tokens_per_forward
):
    prompts = prompts_of(tokenizer, *ROWS)
    settings = DPOSettings(beta=0.3, tokens_per_forward=tokens_per_forward)
    reference = load(base)
    shared, naive = shifted(reference), shifted(reference)
    references = dpo_step.read_references(reference, prompts, settings)

    loss, _ = accumulate_loss(shared, references, prompts, settings)
    expected = loss_pair_by_pair(naive, reference, prompts, beta=0.3)
    expected.backward()

    assert abs(loss - math.log(2)) > 0.01
    assert loss == pytest.approx(expected.item(), abs=1e-6)
    for one, other in zip(shared.parameters(), naive.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, atol=1e-6)


def test_the_log_probability_of_a_response_that_was_cut_is_that_of_its_text(base, tokenizer):
    policy = load(base)
    row = ranking("p", ["ab", "ab c"], [1, 2])
    (finished,), (unfinished,) = prompts_of(tokenizer, row), prompts_of(tokenizer, cut(row, 1))
    (tokens,) = data.tokenize(tokenizer, ["ab c"], special=False)

    whole, shorter = (dpo_step.response_sums(policy, [one]) for one in (finished, unfinished))

    assert shorter[0].item() == pytest.approx(whole[0].item(), abs=1e-5)
    expected = logprob(policy, unfinished.tree.prompt, tokens)
    assert shorter[1].item() == pytest.approx(expected.item(), abs=1e-5)
    assert shorter[1] > whole[1] + 1


def test_the_gradient_of_a_ratio_is_beta_times_how_wrong_the_pair_is():
    """arXiv 2305.18290, the gradient below equation 7."""
    logprobs = torch.tensor([-3.0, -5.0], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([-4.0, -4.5], dtype=torch.float64)

    rewards = implicit_rewards(logprobs, reference, beta=0.2)
    kwise_loss(rewards, torch.tensor([0]), torch.tensor([1]), torch.tensor([1.0])).backward()

    # Rewards 0.2 and -0.1: the pair is right by 0.3.
    assert rewards.tolist() == pytest.approx([0.2, -0.1])
    wrong = 1 / (1 + math.exp(0.3))
    assert logprobs.grad.tolist() == pytest.approx([-0.2 * wrong, 0.2 * wrong])


def test_the_prompt_and_each_response_are_forwarded_once_a_step(base, tokenizer):
    """R3 for DPO: the policy once, and the reference not at all after it was read."""
    prompts = prompts_of(tokenizer, *ROWS)
    policy, settings = load(base), DPOSettings()
    references = dpo_step.read_references(policy, prompts, settings)
    forwarded = []
    policy.base_model.register_forward_pre_hook(
        lambda _, inputs: forwarded.append(inputs[0].numel())
    )

    accumulate_loss(policy, references, prompts, settings)

    assert forwarded == [sum(prompt.tree.tokens for prompt in prompts)]


def test_no_sum_over_a_response_depends_on_the_order_that_a_gpu_adds_in(base, tokenizer):
    """E1: CUDA adds to places that are named twice in any order."""

    class Recorder(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None) -> object:
            called.add(func.overloadpacket.__name__)
            return func(*args, **(kwargs or {}))

    called: set[str] = set()
    with Recorder(), torch.no_grad():
        dpo_step.response_sums(load(base), prompts_of(tokenizer, *ROWS))

    assert "logsumexp" in called
    assert called.isdisjoint(("index_add", "index_add_", "scatter_add", "scatter_add_"))


def test_before_the_first_step_the_loss_is_ln_2(base, tokenizer):
    sampled_again = ranking("p", ["y", "z"], [1, 2])
    prompts = prompts_of(tokenizer, *ROWS, sampled_again)
    policy, settings = load(base), DPOSettings()
    references = dpo_step.read_references(policy, prompts, settings)

    loss, rewards = accumulate_loss(policy, references, prompts[::-1], settings)

    assert loss == pytest.approx(math.log(2), abs=1e-5)
    assert rewards.abs().max().item() < 1e-4
    dpo_step.check_start(loss, settings, policy.device)


def test_a_reference_that_is_another_model_stops_the_run(base, tokenizer):
    prompts = prompts_of(tokenizer, *ROWS)
    policy, settings = load(base), DPOSettings()
    references = dpo_step.read_references(shifted(policy), prompts, settings)
    loss, _ = accumulate_loss(policy, references, prompts, settings)

    with pytest.raises(RunDivergedError, match=r"step 0: the loss is .* must be 0\.693147"):
        dpo_step.check_start(loss, settings, policy.device)


def test_what_is_reported_weighs_comparisons_as_the_loss_does(tokenizer):
    prompts = prompts_of(
        tokenizer,
        ranking("p", ["a", "b"], [1, 2]),
        ranking("q", ["c", "d", "e"], [1, 2, 2]),
    )

    references = {"p": torch.tensor([-9.0, -8.0]), "q": torch.tensor([-7.0, -6.0, -5.0])}

    metrics = dpo_step.describe(
        [1.0, 0.5, 0.0, 0.4, -0.9], prompts, references, DPOSettings(beta=0.1)
    )

    assert metrics["accuracy/train"] == pytest.approx(2 / 3)
    assert metrics["rewards/chosen"] == pytest.approx((1.0 + 0.0) / 2)
    assert metrics["rewards/rejected"] == pytest.approx((0.5 + (0.4 - 0.9) / 2) / 2)
    assert metrics["rewards/margin"] == pytest.approx(0.5 - 0.125)
    # What the reference says and a tenfold reward: 1, -3, -7, -2, -14.
    assert metrics["logps/chosen"] == pytest.approx((1 - 7) / 2)
    assert metrics["logps/rejected"] == pytest.approx((-3 + (-2 - 14) / 2) / 2)
    assert metrics["objective/forward_kl"] == pytest.approx(-0.2 / 0.1)


def without_pace(metrics):
    return {k: v for k, v in metrics.items() if k not in ("tokens_per_second", "seconds_left")}


def dpo_run(folder, base, *, rows=None, **settings):
    spec = DPOSpec(
        base_model=base,
        settings=DPOSettings(
            **{"epochs": 5, "learning_rate": 3e-3, "batch_size": 8, "max_tokens": 48, **settings}
        ),
    )
    return make_run(folder, spec, rankings=rankings_by_share_of_a(60) if rows is None else rows)


def test_a_dpo_run_learns_a_planted_preference(tmp_path, base, train):
    """Also: what the folder holds afterwards, and that two runs of one spec are the same."""
    run_dir, again = (dpo_run(tmp_path / name, base) for name in ("run", "again"))

    done = train("dpo", run_dir)

    assert done.returncode == 0, done.stderr
    result = rundir.read_result(run_dir)
    steps = rundir.read_metrics_from(run_dir, 0).rows
    assert steps[0]["loss/dpo"] == pytest.approx(math.log(2), abs=1e-5)
    assert steps[-1]["loss/dpo"] < 0.5
    assert steps[-1]["progress"] == 1
    assert result.metrics["accuracy/validation"] > 0.8
    assert result.metrics["rewards/margin"] > 0
    assert result.evaluation.accuracy.value == result.metrics["accuracy/validation"]
    assert len(result.lineage.rows_used) == 45
    assert len(result.texts) == 8
    policy = models.load_policy(run_dir / "model", seed=0)
    assert policy.config.architectures == ["LlamaForCausalLM"]
    evaluations = [json.loads(line) for line in (run_dir / "texts.jsonl").read_text().splitlines()]
    assert len(evaluations) == 10
    assert len(evaluations[0]["samples"]) == 8
    assert evaluations[0]["samples"][0]["prompt"] == "Question 0"
    left = {path.name for path in run_dir.iterdir()} - {"spec.json", "rankings.jsonl"}
    assert left == {"metrics.jsonl", "texts.jsonl", "heartbeat", "result.json", "model"}
    assert train("dpo", again).returncode == 0
    assert without_pace(rundir.read_result(again).metrics) == without_pace(result.metrics)


def test_with_lora_the_reference_is_the_adapter_off_and_the_saved_policy_is_whole(
    tmp_path, base, train
):
    run_dir = dpo_run(tmp_path / "run", base, lora_rank=4, lora_alpha=8.0, learning_rate=1e-2)

    done = train("dpo", run_dir)

    assert done.returncode == 0, done.stderr
    steps = rundir.read_metrics_from(run_dir, 0).rows
    assert steps[0]["loss/dpo"] == pytest.approx(math.log(2), abs=1e-5)
    assert steps[-1]["loss/dpo"] < 0.67
    assert models.load_policy(run_dir / "model", seed=0).config.vocab_size == 259
