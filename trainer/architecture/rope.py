"""Rotary embeddings whose frequencies follow the longest position of a forward pass.

Beyond the length that such a model was first trained with, what a sequence gets depends on what
shares its batch: packed, padded and single rows differ, and so do sampling and training. Up to that
length the frequencies are constant.
"""

from transformers import PreTrainedConfig


def constant_length(config: PreTrainedConfig) -> int | None:
    """Return up to how many positions the frequencies are constant; None: for any number.

    As `dynamic_rope_update` of transformers 5.23 (`modeling_rope_utils.py`) has it: "longrope"
    changes at its original length, "dynamic" grows from `max_position_embeddings` on.
    """
    text = config.get_text_config()
    longest: int | None = getattr(text, "max_position_embeddings", None)
    parameters = getattr(text, "rope_parameters", None) or {}
    lengths = []
    # One dict for all layers, or one for each type of layer.
    for one in (parameters, *parameters.values()):
        rope_type = str(one.get("rope_type")) if isinstance(one, dict) else ""
        if rope_type == "longrope":
            lengths.append(one.get("original_max_position_embeddings") or longest)
        elif "dynamic" in rope_type:
            lengths.append(longest)
    return min(filter(None, lengths), default=None)
