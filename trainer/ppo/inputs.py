"""What a PPO run reads: the four models, the prompts, the texts of the mix, and who uses which."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import data, limits, models
from trainer.data import Example
from trainer.errors import RunRefusedError
from trainer.ppo.rollouts import PPOModels
from trainer.ppo.scored_texts import Shown, choose_shown
from trainer.pretraining import PretrainingTexts, open_texts
from trainer.running.endless import order_between
from trainer.running.lineage import RowUse, unique_ids
from trainer.running.rows import read_rows
from trainer.running.seeds import derive_seed
from trainer.spec import PPOSettings, PPOSpec, PromptRow


@dataclass(frozen=True)
class Inputs:
    """What a run reads beside the models.

    Attributes:
        prompts: to sample responses for.
        texts: of the pretraining mix, if there is one.
        shown: what evaluations sample texts for.
        tokenizer: of all models.
        eos_id: ends a response.
        rows: what becomes of the prompts' rows.
    """

    prompts: Sequence[Example]
    texts: PretrainingTexts | None
    shown: Shown
    tokenizer: PreTrainedTokenizerBase
    eos_id: int
    rows: RowUse


def load_models(
    policy_folder: Path,
    reward_folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    settings: PPOSettings,
) -> PPOModels:
    """Load the four models; the reference is the policy's twin, the value model the reward's.

    With LoRA there are two: each twin is the other with its adapter off.

    Raises:
        RunRefusedError: when the reward model has no trained head or another vocabulary.
    """
    if not models.is_reward_model(reward_folder):
        raise RunRefusedError(f"{reward_folder} is not a reward model; train one first")
    _require_same_tokens(tokenizer, models.load_tokenizer(reward_folder))
    policy, reference = models.load_policy_and_reference(
        policy_folder, seed=settings.seed, compute=settings
    )
    value, reward = models.load_value_and_reward(
        reward_folder, seed=settings.seed, compute=settings
    )
    models.require_same_vocabulary(policy, tokenizer, name=str(policy_folder))
    models.require_same_vocabulary(reward, tokenizer, name=str(reward_folder))
    _require_readable_tokens(policy, reward)
    return PPOModels(policy=policy, reference=reference, reward=reward, value=value)


def read_inputs(
    spec: PPOSpec, run_dir: Path, tokenizer: PreTrainedTokenizerBase, loaded: PPOModels
) -> Inputs:
    """Read and check the files of the run.

    Raises:
        RunRefusedError: when there is no prompt, no text for the mix, no room for a response, or
            when batches would divide the episodes of a prompt.
    """
    settings = spec.settings
    _require_whole_prompts(settings)
    rows = read_rows(run_dir / spec.prompts, PromptRow)
    if not rows:
        raise RunRefusedError(f"{spec.prompts} holds no prompt; there is nothing to sample")
    max_tokens = min(
        limits.say_longest_sequence(model.config, settings.max_tokens)
        for model in (loaded.policy, loaded.reward)
    )
    room = limits.prompt_room(loaded.policy, settings.max_new_tokens, max_tokens)

    def encode(rows: Sequence[PromptRow]) -> list[Example]:
        return data.encode_prompts(tokenizer, [row.messages for row in rows], max_tokens=room)

    train = [row for row in rows if row.split == "train"]
    if not train:
        raise RunRefusedError(
            f"all {len(rows)} prompts of {spec.prompts} are held out; give some the split 'train'"
        )
    prompts, shown = encode(train), choose_shown(rows)
    texts = None
    if spec.pretraining is not None:
        texts = open_texts(
            run_dir / spec.pretraining, tokenizer, max_tokens=max_tokens, seed=settings.seed
        )
    if settings.ptx_coefficient > 0 and texts is None:
        raise RunRefusedError(
            "ptx_coefficient is above 0 but there are no pretraining texts; add some or set it to 0"
        )
    return Inputs(
        prompts,
        texts,
        Shown([row.messages[-1].content for row in shown], encode(shown)),
        tokenizer,
        data.eos_id_of(tokenizer),
        use_of(rows, prompts, settings),
    )


def _require_whole_prompts(settings: PPOSettings) -> None:
    shared = settings.responses_per_prompt
    for name in ("batch_size", "minibatch_size"):
        size = getattr(settings, name)
        if size % shared:
            raise RunRefusedError(
                f"{name} {size} is no multiple of responses_per_prompt {shared}, and the episodes "
                f"of a prompt stay together; take {max(shared, size - size % shared)}"
            )


def prompts_of(iteration: int, prompts: Sequence[Example], settings: PPOSettings) -> list[Example]:
    """Return the prompt of each of an iteration's episodes.

    All are taken in random order, again and again; episodes that share one are neighbors.
    """
    wanted = settings.batch_size // settings.responses_per_prompt
    order = _order(iteration * wanted, (iteration + 1) * wanted, len(prompts), settings)
    return [prompts[index] for index in order for _ in range(settings.responses_per_prompt)]


def use_of(rows: Sequence[PromptRow], prompts: Sequence[Example], settings: PPOSettings) -> RowUse:
    """Say what becomes of each row of `prompts.jsonl`.

    Args:
        rows: of the file.
        prompts: those of the split `train`.
        settings: of the run.
    """
    use = RowUse()
    ids = unique_ids(row.prompt_id for row in rows)
    use.dropped |= {
        one: "held out" for one, row in zip(ids, rows, strict=True) if row.split != "train"
    }
    ids = [one for one in ids if one not in use.dropped]
    turns = settings.steps * settings.batch_size // settings.responses_per_prompt
    sampled = set(_order(0, min(len(prompts), turns), len(prompts), settings))
    for index, (one, prompt) in enumerate(zip(ids, prompts, strict=True)):
        if index not in sampled:
            use.dropped[one] = "the run ended before its turn"
            continue
        use.used.append(one)
        if prompt.is_cut:
            use.cut[one] = "too long: the beginning of the prompt was dropped"
    return use


def _order(start: int, stop: int, count: int, settings: PPOSettings) -> list[int]:
    return order_between(start, stop, count=count, seed=derive_seed(settings.seed, "prompts"))


def _require_same_tokens(policy: PreTrainedTokenizerBase, reward: PreTrainedTokenizerBase) -> None:
    different = [
        what
        for what, ours, theirs in (
            ("vocabulary", policy.get_vocab(), reward.get_vocab()),
            ("EOS token", policy.eos_token_id, reward.eos_token_id),
            ("chat template", policy.chat_template, reward.chat_template),
        )
        if ours != theirs
    ]
    if different:
        raise RunRefusedError(
            f"policy and reward model differ in their {' and '.join(different)}; train the reward "
            "model from a model with the policy's tokenizer"
        )


def _require_readable_tokens(policy: PreTrainedModel, reward: PreTrainedModel) -> None:
    sampled, read = (model.config.get_text_config().vocab_size for model in (policy, reward))
    if sampled > read:
        raise RunRefusedError(
            f"the policy has {sampled} embeddings, the reward model {read}: it could not read "
            "every token that is sampled; train the reward model from one with as many embeddings"
        )
