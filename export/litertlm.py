"""Checkpoint -> LiteRT-LM: a `.litertlm` container with the streaming TFLite section, the metadata that stands beside every
artifact, and the delegates that the section may run on; read back and run before it is called done.

LiteRT-LM's own engine runs language models only (it ends the process on a container without one): who uses this file
reads the section out of it, as `read_back` does, and gives it to LiteRT.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from litert_lm_builder import DType, LitertLmFileBuilder, Metadata, TfLiteModelType, litertlm_core, litertlm_peek

from inherentd.export.errors import ExportError

CONSTRAINT = "cpu,gpu,npu"
TFLITE, GENERIC = "TFLiteModel", "GenericBinaryData"


def write(path: Path, tflite: Path, sidecar: Path) -> None:
    """Write a container of a TFLite file and its metadata. ExportError where reading it back gives something else."""
    builder = LitertLmFileBuilder()
    version = json.loads(sidecar.read_text())["version"]
    for key, value in (("Authors", "inherentd"), ("model", "inherent"), ("version", version)):
        builder.add_system_metadata(Metadata(key=key, value=value, dtype=DType.STRING))
    builder.add_tflite_model(str(tflite), TfLiteModelType.AUX, backend_constraint=CONSTRAINT)
    builder.add_generic_binary_data(str(sidecar))
    with litertlm_core.open_file(str(path), "wb") as file:
        builder.build(cast("BinaryIO", file))
    model, metadata = read_back(path)
    if model != tflite.read_bytes() or metadata != json.loads(sidecar.read_text()):
        raise ExportError(f"{path}: what was read back is not what was written")
    runner = Interpreter(model_content=model, num_threads=1).get_signature_runner()
    runner(**{name: np.zeros(detail["shape"], np.float32) for name, detail in runner.get_input_details().items()})


def read_back(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Return the TFLite section and the metadata of a container."""
    header: Any = litertlm_peek.read_litertlm_header(str(path), io.StringIO())
    content = path.read_bytes()
    sections = header.SectionMetadata()
    found = {}
    for index in range(sections.ObjectsLength()):
        section = sections.Objects(index)
        found[index] = content[section.BeginOffset() : section.EndOffset()]
    if len(found) != 2:
        raise ExportError(f"{path}: got {len(found)} sections, expected the model and its metadata")
    return found[0], json.loads(found[1].rstrip(b"\0"))
