"""The report of `inherent eval`: figures that agree with scikit-learn's, intervals that cover, and every key there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score

from inherentd.inherent_model import checkpoint, cli, evaluation
from inherentd.inherent_model.architecture import InherentModel, ModelConfig
from inherentd.inherent_model.bootstrap import cluster_weights, ranking, ranking_intervals
from inherentd.inherent_model.checkpoint import step_scores
from inherentd.inherent_model.evaluation import accepts_at_recall, equal_error_rate, peak_scores
from inherentd.pipeline.frontend import FrontendSpec

HEADS = ("isInteresting", "hasHighTone", "hasLowTone")


@pytest.mark.parametrize("decimals", [1, 6])
def test_weights_of_one_give_the_figures_of_the_set(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    for _ in range(20):
        labels = rng.integers(0, 2, 80)
        scores = np.round(labels * 0.3 + rng.random(80), decimals)  # with one decimal: many ties
        auc, eer, fpr = ranking(labels, scores, np.ones((1, 80), np.int64))[0]
        assert auc == pytest.approx(roc_auc_score(labels, scores))
        assert eer == pytest.approx(equal_error_rate(labels, scores))
        assert fpr == pytest.approx(accepts_at_recall(labels, scores))


def test_weights_count_as_so_many_clips() -> None:
    rng = np.random.default_rng(0)
    labels, weights = rng.integers(0, 2, 40), rng.integers(0, 4, (1, 40))
    scores = np.round(labels * 0.3 + rng.random(40), 1)
    repeated = np.repeat(np.arange(40), weights[0])
    expected = ranking(labels[repeated], scores[repeated], np.ones((1, len(repeated))))
    assert ranking(labels, scores, weights) == pytest.approx(expected)
    nobody = ranking(np.array([1, 1, 0]), np.array([0.1, 0.2, 0.3]), np.array([[1, 1, 0], [1, 0, 1]]))
    assert np.isnan(nobody[0]).all()
    assert nobody[1].tolist() == [0, 1, 1]


def test_false_positives_at_a_recall_by_hand() -> None:
    labels = np.array([1] * 20 + [0] * 10)
    scores = np.concatenate([np.linspace(0.9, 0.5, 19), [0.1], np.linspace(0.6, 0.15, 10)])
    assert accepts_at_recall(labels, scores) == pytest.approx(np.mean(scores[20:] >= 0.5))


def test_intervals_over_speakers_cover_where_intervals_over_clips_do_not() -> None:
    """Each of 20 speakers is easier or harder for the model; the truth is known: AUC = Phi(shift / sqrt(2 (1 + s^2)))."""
    rng = np.random.default_rng(1)
    shift, spread, speakers, clips = 1.0, 1.0, 20, 10
    truth = stats.norm.cdf(shift / np.sqrt(2 * (1 + spread**2)))
    covered = {"speakers": 0, "clips": 0}
    for _ in range(40):
        who = np.repeat(np.arange(speakers), clips)
        labels = np.repeat(np.arange(speakers) % 2, clips)
        scores = labels * shift + rng.normal(0, spread, speakers)[who] + rng.normal(size=speakers * clips)
        for name, units in (("speakers", who), ("clips", np.arange(len(who)))):
            found = ranking_intervals(labels, scores, units.astype(str))["auc"]
            assert found is not None
            covered[name] += found[0] <= truth <= found[1]
    assert covered["speakers"] >= 34
    assert covered["clips"] <= 30


def test_no_interval_from_too_few_speakers() -> None:
    labels = np.tile([0, 1], 20)
    scores = np.random.default_rng(0).random(40)
    assert set(ranking_intervals(labels, scores, ["a", "b", "c", "d"] * 10).values()) == {None}
    one_positive = ranking_intervals((np.arange(40) == 3).astype(int), scores, [str(index // 2) for index in range(40)])
    assert one_positive["auc"] is None
    assert cluster_weights(7).sum(axis=1).tolist() == [7] * 500


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A random small model, and clips of six voices in two engines."""
    folder = tmp_path_factory.mktemp("eval")
    torch.manual_seed(0)
    model = InherentModel(ModelConfig(heads=HEADS, channels=16, dilations=(1, 2), phoneme_blocks=1))
    checkpoint.save(folder / "best.safetensors", model.eval(), FrontendSpec(), {})
    rng = np.random.default_rng(0)
    lines = []
    for index in range(26):
        kind = [None, "hasHighTone", "hasLowTone"][index % 3]
        hz = {"hasHighTone": 2500, "hasLowTone": 400}.get(kind or "", 0)
        samples = 0.3 * np.sin(2 * np.pi * hz * np.arange(7000) / 16_000) + rng.normal(0, 0.03, 7000)
        soundfile.write(folder / f"{index}.wav", samples, 16_000)
        lines.append({"path": f"{index}.wav", "text": f"words number {index}", "addressed": int(kind is not None),
                      "split": "test" if index < 20 else "train", "heads": [kind] if kind else [],
                      "source": kind or "talk",
                      "voice": {"engine": ["one", "two"][index % 2], "name": f"v{index // 4}"}})  # fmt: skip
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "recipe.yaml").write_text(
        f"heads: [{', '.join(HEADS)}]\nmanifests: [{folder}/manifest.jsonl]\nout: {folder}/run\nsteps: 1\nphoneme_steps: 0\n"
    )
    (folder / "conditions.yaml").write_text(
        "conditions: [{name: clean}, {name: hard, noise: [babble], snr_db: [0, 5], telephone: true}]"
    )
    return ["eval", "--checkpoint", str(folder / "best.safetensors"), "--config", str(folder / "recipe.yaml")]


def test_the_report(trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conditions = str(Path(trained[2]).parent / "conditions.yaml")
    assert cli.main([*trained, "--out", str(tmp_path / "all.json"), "--conditions", conditions]) == 0
    report = json.loads((tmp_path / "all.json").read_text())
    before = {"training_hash", "clips", "sentences", "voices", "heads", "far_from_training", "gate_by_group"}
    assert set(report) == before | {"padding", "conditions"}
    assert report["padding"] == "dynamic"
    assert [figures["head"] for figures in report["heads"]] == list(HEADS)
    gate = report["heads"][0]
    assert {"positives", "negatives", "auc", "eer", "auc_addressed", "fpr_at_95_recall"} < set(gate)
    low, high = gate["intervals"]["auc"]
    assert 0 <= low <= gate["auc"] <= high <= 1
    assert {"engine one", "engine two", "addressed against talk", "unaddressed against hasLowTone"} == {
        name for name in report["gate_by_group"] if "High" not in name
    }
    clean, hard = (report["conditions"][name] for name in ("clean", "hard"))
    assert clean["clips"] == 20
    assert hard["heads"] != clean["heads"]
    assert hard["condition"]["telephone"]
    shown = capsys.readouterr().err
    assert "gate, hard" in shown
    assert "padding dynamic" in shown


def test_runtime_static_padding_is_zeros_up_to_all_frames(trained: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert evaluation.STATIC_FRAMES == 3000
    monkeypatch.setattr(evaluation, "STATIC_FRAMES", 400)
    model = checkpoint.load(Path(trained[2])).model
    rng = np.random.default_rng(0)
    clips = [rng.normal(-6, 2, (frames, 128)).astype(np.float32) for frames in (40, 410)]
    found = peak_scores(model, clips, padding="runtime-static")
    for clip, peaks in zip(clips, found, strict=True):
        filled = np.zeros((1, 400, 128), np.float32)
        filled[0, : min(len(clip), 400)] = clip[:400]
        assert peaks == pytest.approx(step_scores(model, torch.from_numpy(filled))[0].amax(0).numpy(), abs=1e-5)


def test_static_padding_and_a_limit_in_the_report(trained: list[str], tmp_path: Path) -> None:
    conditions = ["--conditions", str(Path(trained[2]).parent / "conditions.yaml"), "--limit", "7"]
    assert cli.main([*trained, "--out", str(tmp_path / "out.json"), "--padding", "runtime-static", *conditions]) == 0
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["padding"] == "runtime-static"
    assert report["clips"] == 20
    clean, hard = ([figures["positives"] for figures in each["heads"]] for each in report["conditions"].values())
    assert clean == hard  # the same clips
    assert report["conditions"]["hard"]["clips"] == 7
