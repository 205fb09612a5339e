"""Show mlx-lm a model's folder in the form it reads, where the folder has another one.

mlx-lm 0.32 takes the rotary embedding's base from `rope_theta` at the top of config.json, and most
of its architectures look nowhere else. Transformers 5 writes it into `rope_parameters`: the model
then loads with a base of 10,000, without a word in the log. SmolLM2 so lives on `Kepler-452b`.
The scaling for long contexts (`rope_scaling`) and the share of a head that is rotated
(`partial_rotary_factor`) went the same way; Llama 3.1 loses its scaling.
"""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

CONFIG = "config.json"


def servable(model: str, place: str) -> str:
    """Return the folder to serve from.

    Args:
        model: folder with config.json and weights.
        place: folder in which a view may be made.

    Returns:
        `model` itself when mlx-lm reads it right; else a view of it, with links to its files and
        a corrected config.json.
    """
    path = os.path.join(model, CONFIG)
    if not os.path.isfile(path):
        # mlx-lm has its own words for that.
        return model
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    corrected = correct(config)
    if corrected == config:
        return model
    view = tempfile.mkdtemp(prefix="model-", dir=place)
    for name in os.listdir(model):
        if name != CONFIG:
            os.symlink(os.path.abspath(os.path.join(model, name)), os.path.join(view, name))
    with open(os.path.join(view, CONFIG), "w", encoding="utf-8") as file:
        json.dump(corrected, file)
    return view


def correct(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with the rotary parameters where mlx-lm looks for them.

    What stands there already stays. A table of parameters by kind of layer has no one base, and
    the architectures that have such tables read them themselves.
    """
    corrected = dict(config)
    rope = config.get("rope_parameters")
    if isinstance(rope, dict) and "rope_theta" in rope:
        found = {"rope_theta": rope["rope_theta"]}
        if rope.get("rope_type", "default") != "default":
            found["rope_scaling"] = {k: v for k, v in rope.items() if k != "rope_theta"}
        if "partial_rotary_factor" in rope:
            found["partial_rotary_factor"] = rope["partial_rotary_factor"]
        corrected.update((k, v) for k, v in found.items() if config.get(k) is None)
    text = config.get("text_config")
    if isinstance(text, dict):
        corrected["text_config"] = correct(text)
    return corrected
