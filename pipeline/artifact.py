"""A model file and its sidecar `NAME.metadata.json`: what it is, what it needs, and how to know that it runs right."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from inherentd.pipeline.errors import PipelineError
from inherentd.pipeline.frontend import FrontendSpec

FORMS = ("windowed", "streaming", "audio", "frontend")
UPSTREAM_BACKENDS = {"tflite": "litert"}
"""upstream's name for a backend -> ours"""
GOLDEN_TOLERANCE = 1e-3
"""where the metadata name none: of float32"""


@dataclasses.dataclass(frozen=True)
class TensorContract:
    """A tensor as the file names it; -1 in `shape` is a dynamic dimension."""

    name: str
    index: int
    shape: tuple[int, ...]
    dtype: str


@dataclasses.dataclass(frozen=True)
class StateTensor:
    """One named piece of the streaming form's memory."""

    name: str
    shape: tuple[int, ...]
    initial_value: float


@dataclasses.dataclass(frozen=True)
class Golden:
    """What a runtime is tried with, and the highest score of each head over it, from the initial state."""

    given: NDArray[np.float32]
    """log-mel [frames, bins]; for the audio form samples [n] in [-1, 1]"""
    scores: NDArray[np.float32]
    tolerance: float
    """how far a runtime's scores may be from these"""


@dataclasses.dataclass(frozen=True)
class ArtifactMetadata:
    """The sidecar's fields (contracts/artifact.md). `frontend`, `golden` and `sha256` are None where the file is from
    the upstream project, whose metadata has no such fields."""

    version: str
    training_hash: str
    backend: str
    form: str
    frontend: FrontendSpec | None
    head_order: tuple[str, ...]
    default_thresholds: dict[str, float]
    threshold_calibration: dict[str, Any]
    runtime_tensor_contract: dict[str, TensorContract]
    states: tuple[StateTensor, ...]
    golden: Golden | None
    quantization: str
    unsupported: str
    """why `inherent parity` found it not to score as trained; empty where it does"""
    sha256: str | None

    @property
    def span_samples(self) -> int:
        """Return how many samples a step of the audio form is given: those that its frames cover."""
        return self.runtime_tensor_contract["samples_chunk"].shape[1]

    @property
    def step_frames(self) -> int:
        """Return how many frames a step of the streaming or the audio form consumes."""
        if self.form == "audio":
            return (self.frontend or FrontendSpec()).frame_count(self.span_samples)
        return self.runtime_tensor_contract["mel_chunk"].shape[1]

    @property
    def batched(self) -> bool:
        """Return whether a run takes a step of any number of streams."""
        chunk = self.runtime_tensor_contract.get("mel_chunk")
        return self.form == "streaming" and chunk is not None and chunk.shape[0] < 0

    def threshold(self, head: str) -> float:
        """Return the calibrated threshold of a head."""
        return self.default_thresholds[threshold_key(head)]


def threshold_key(head: str) -> str:
    """Return the snake_case key of a head's threshold: "hasPhotoQuery" -> "has_photo_query"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", head).lower()


def metadata_path(model: Path) -> Path:
    """Return where the sidecar of a model file lies: NAME.onnx -> NAME.metadata.json, or NAME.onnx.metadata.json where
    that is there, as the upstream project names some."""
    longer = model.with_name(f"{model.name}.metadata.json")
    return longer if longer.is_file() else model.with_suffix(".metadata.json")


def load_metadata(model: Path, frontend: FrontendSpec) -> ArtifactMetadata:
    """Return the checked metadata of a model file.

    Raises PipelineError, in one line, when the model or its sidecar is missing or malformed, when the file is not the
    one that the metadata was written for (sha256), or when it was trained with another frontend than `frontend`.
    """
    if not model.exists():
        raise PipelineError(
            f"model {model}: no such file; give the path of a .onnx file with its .metadata.json beside it"
        )
    sidecar = metadata_path(model)
    if not sidecar.is_file():
        raise PipelineError(
            f"model {model}: {sidecar.name} is missing beside it; copy it along, or export the model again"
        )
    try:
        metadata = parse_metadata(json.loads(sidecar.read_text()), "litert" if model.suffix == ".tflite" else "onnx")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PipelineError(f"{sidecar}: malformed metadata ({error!r}); export the model again") from error
    _check_frontend(sidecar, metadata.frontend, frontend)
    if metadata.sha256 is not None:
        found = digest(model)
        if found != metadata.sha256:
            raise PipelineError(
                f"model {model}: sha256 {found[:12]}…, its metadata expects {metadata.sha256[:12]}…: "
                "the file is damaged or belongs to another sidecar; copy both again"
            )
    return metadata


def digest(model: Path) -> str:
    """Return the SHA-256 of a file; of a folder (an .mlpackage), of its files' relative names and contents in order."""
    if model.is_file():
        return hashlib.sha256(model.read_bytes()).hexdigest()
    together = hashlib.sha256()
    for file in sorted(path for path in model.rglob("*") if path.is_file()):
        together.update(file.relative_to(model).as_posix().encode() + b"\0" + file.read_bytes())
    return together.hexdigest()


def parse_metadata(document: dict[str, Any], backend: str = "onnx") -> ArtifactMetadata:
    """Return the metadata of a parsed sidecar; KeyError, TypeError or ValueError say what is wrong with it.

    backend: where the sidecar names none. One without `form` is upstream's: its tensors are found by their shapes.
    """
    heads = tuple(document["head_order"])
    if not heads or len(set(heads)) != len(heads):
        raise ValueError(f"head_order {list(heads)}: expected distinct names, the gate first")
    thresholds = {str(key): float(value) for key, value in document["default_thresholds"].items()}
    missing = [threshold_key(head) for head in heads if threshold_key(head) not in thresholds]
    if missing:
        raise ValueError(f"default_thresholds lack {missing}")
    form = document.get("form", "windowed")
    if form not in FORMS:
        raise ValueError(f"form {form!r}: expected one of {FORMS}")
    tensors: dict[str, Any] = document.get("runtime_tensor_contract", {}) if "form" in document else {}
    contract = {
        logical: TensorContract(str(t["name"]), int(t["index"]), tuple(int(n) for n in t["shape"]), str(t["dtype"]))
        for logical, t in tensors.items()
    }
    named = str(document.get("backend", backend))
    golden = document.get("golden")
    if golden is not None and len(golden["scores"]) != len(heads):
        raise ValueError(f"golden has {len(golden['scores'])} scores for {len(heads)} heads")
    frontend = document.get("frontend")
    return ArtifactMetadata(
        version=str(document["version"]),
        training_hash=str(document.get("training_hash", "")),
        backend=UPSTREAM_BACKENDS.get(named, named),
        form=form,
        frontend=FrontendSpec(**frontend) if frontend is not None else None,
        head_order=heads,
        default_thresholds=thresholds,
        threshold_calibration=cast("dict[str, Any]", document.get("threshold_calibration") or {}),
        runtime_tensor_contract=contract,
        states=tuple(
            StateTensor(str(s["name"]), tuple(int(n) for n in s["shape"]), float(s["initial_value"]))
            for s in document.get("states", [])
        ),
        golden=_golden(golden) if golden else None,
        quantization=str(document.get("quantization", "float32")),
        unsupported=str(document.get("unsupported", "")),
        sha256=document.get("sha256"),
    )


def _golden(golden: dict[str, Any]) -> Golden:
    given = np.array(golden["samples"] if "samples" in golden else golden["mel"], np.float32)
    if "samples" in golden:
        given = given / np.float32(32768)
    return Golden(given, np.array(golden["scores"], np.float32), float(golden.get("tolerance", GOLDEN_TOLERANCE)))


def _check_frontend(sidecar: Path, theirs: FrontendSpec | None, ours: FrontendSpec) -> None:
    if theirs is None or theirs == ours:
        return
    differences = [
        f"{field.name} {getattr(theirs, field.name)} (running: {getattr(ours, field.name)})"
        for field in dataclasses.fields(FrontendSpec)
        if getattr(theirs, field.name) != getattr(ours, field.name)
    ]
    raise PipelineError(
        f"{sidecar}: the model was trained with another frontend: {', '.join(differences)}; "
        "use a model of this version, or train it again"
    )
