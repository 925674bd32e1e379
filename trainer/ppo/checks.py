"""What must hold in every PPO run, checked while it runs: a run that fails one ends at once.

Before the first update policy and reference are the same model, and the first minibatch sees the
policy that the rollout saw; what differs then is a bug that no curve would show.
"""

from trainer.errors import RunDivergedError
from trainer.ppo.rollouts import Rollouts, sequence_kl

# Both models run the same kernels over the same packed rows, so that they agree to the bit in
# every precision; an adapter begins as exactly zero.
MAX_FIRST_KL_NATS = 1e-6
# A minibatch packs other episodes beside each other than the rollout did. On a CPU in float32 that
# moves rounding only; kernels of a GPU choose other block sizes.
MAX_FIRST_LOG_RATIO = {"cpu": 1e-5, "cuda": 1e-3}
# bfloat16 rounds every layer's output to 8 bits, so that single tokens move far and only their mean
# tells something. Measured on a CPU with random models of width 256 and an entropy of 2 nats: other
# neighbors moved the mean by 0.005 and one token by 0.07 with 4 layers, by 0.019 and 0.15 with 16;
# sums in another order, as a GPU may have, by 0.024 and 0.14. This is four times that; a
# temperature of 0.9 in the place of 1 gives 0.13.
MEAN_FIRST_LOG_RATIO_BFLOAT16 = 0.1


def check_first_kl(rollouts: Rollouts) -> None:
    """Stop unless policy and reference agree before the first update.

    Raises:
        RunDivergedError: with the KL that was found.
    """
    kl = float(sequence_kl(rollouts).abs().max())
    if not kl <= MAX_FIRST_KL_NATS:
        raise RunDivergedError(
            f"before the first update the KL to the reference is {kl:g} nats instead of 0: policy "
            "and reference are not the same model, or dropout is on"
        )


def check_kl_limit(kl_nats: float, *, limit_nats: float | None, iteration: int) -> None:
    """Stop before an update whose episodes show the policy too far from the reference.

    There the score of the reward model says little of what people would say.

    Args:
        kl_nats: mean over the episodes of the iteration.
        limit_nats: of the run; None: there is none.
        iteration: that sampled them.

    Raises:
        RunDivergedError: with the KL and the limit.
    """
    if limit_nats is not None and not kl_nats <= limit_nats:
        raise RunDivergedError(
            f"iteration {iteration}: the mean KL to the reference is {kl_nats:g} nats, above the "
            f"limit of {limit_nats:g}, so the policy was not updated: raise kl_coefficient, lower "
            "learning_rate, or take fewer steps"
        )


def check_first_ratio(
    max_log_ratio: float, mean_log_ratio: float, *, device_type: str, is_half: bool
) -> None:
    """Stop unless old and new log-probabilities agree at the first minibatch.

    Args:
        max_log_ratio: largest absolute difference of a token; in half precision it is not judged.
        mean_log_ratio: mean absolute difference.
        device_type: where the policy is.
        is_half: whether its matrix products are done in bfloat16.

    Raises:
        RunDivergedError: with the log-ratio that was found.
    """
    found, allowed = max_log_ratio, MAX_FIRST_LOG_RATIO.get(device_type, 1e-3)
    if is_half:
        found, allowed = mean_log_ratio, MEAN_FIRST_LOG_RATIO_BFLOAT16
    if not found <= allowed:
        raise RunDivergedError(
            f"at the first minibatch the largest log-ratio is {max_log_ratio:g} and the mean "
            f"{mean_log_ratio:g} instead of 0 (the {'mean' if is_half else 'largest'} may be "
            f"{allowed:g}): the log-probabilities of rollout and update do not fit, or dropout is "
            "on"
        )
