"""A checkpoint between two: what training further gained, without all that it forgot."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from inherentd.inherent_model import checkpoint
from inherentd.inherent_model.architecture import InherentModel, ModelConfig
from inherentd.inherent_model.cli import main
from inherentd.pipeline.frontend import FrontendSpec

TINY = ModelConfig(("gate", "intent"), mel_bins=8, ear_channels=4, ear_dilations=(1,), channels=4, dilations=(1,))


def written(path: Path, value: float, config: ModelConfig = TINY, spec: FrontendSpec | None = None) -> str:
    """Write a checkpoint all of whose weights are `value`, and return its path."""
    model = InherentModel(config)
    for weights in model.state_dict().values():
        weights.fill_(value)
    checkpoint.save(path, model, spec or FrontendSpec(mel_bins=8), {"recipe": path.stem})
    return str(path)


def test_every_weight_lies_between(tmp_path: Path) -> None:
    ends = [written(tmp_path / "a", 1), written(tmp_path / "b", 3, dataclasses.replace(TINY, dropout=0.0))]
    out = tmp_path / "new" / "c"
    assert main(["average", *ends, "--share", "0.25", "--out", str(out)]) == 0
    found = checkpoint.load(out)
    floats = [weights for weights in found.model.state_dict().values() if weights.is_floating_point()]
    assert all(torch.equal(weights, torch.full_like(weights, 1.5)) for weights in floats)
    hashes = [checkpoint.load(Path(end)).training_hash for end in ends]
    assert found.notes["averaged"] == {"earlier": hashes[0], "later": hashes[1], "share_of_later": 0.25}
    assert found.notes["recipe"] == "b"


@pytest.mark.parametrize(
    ("later", "share", "said"),
    [
        (
            {"config": dataclasses.replace(TINY, channels=8)},
            "0.5",
            "b: channels 8, not 4; expected what was trained on from",
        ),
        ({"config": dataclasses.replace(TINY, heads=("gate", "other"))}, "0.5", "b: heads ('gate', 'other'), not"),
        ({"spec": FrontendSpec(mel_bins=8, low_hz=60.0)}, "0.5", "b: frontend FrontendSpec("),
        ({}, "1.5", "--share 1.5: expected 0 (all of EARLIER) to 1"),
    ],
)
def test_what_has_nothing_between_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], later: dict[str, Any], share: str, said: str
) -> None:
    ends = [written(tmp_path / "a", 1), written(tmp_path / "b", 3, **later)]
    assert main(["average", *ends, "--share", share, "--out", str(tmp_path / "c")]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "c").exists()
