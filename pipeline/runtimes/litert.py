"""LiteRT (TFLite): on the CPU (XNNPACK), through a delegate library, or compiled for an accelerator.

`ai-edge-litert`, or `tflite-runtime` (with numpy below 2) where that is missing: it has the CPU and delegate libraries only.
Exactly one accelerator is asked for. LiteRT asked for two ("NPU or CPU") runs on the CPU without a word and calls
itself fully accelerated.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import os
import re
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from inherentd.pipeline.artifact import ArtifactMetadata
from inherentd.pipeline.errors import PipelineError, first_line
from inherentd.pipeline.runtimes.processor import DelegateError
from inherentd.pipeline.runtimes.protocol import Array, Runtime
from inherentd.pipeline.runtimes.streaming import Run, Streaming
from inherentd.pipeline.runtimes.window import SlidingWindow

try:
    interpreters: Any = importlib.import_module("ai_edge_litert.interpreter")
except ModuleNotFoundError as missing:
    if missing.name != "ai_edge_litert":
        raise  # it is there, and something that it needs is not
    try:
        interpreters = importlib.import_module("tflite_runtime.interpreter")
    except ModuleNotFoundError:
        raise missing from None

EDGE_TPU_OPERATION = b"edgetpu-custom-op"
"""in every file that edgetpu_compiler wrote, and in no other"""
LONGEST_REASON = 200
EDGE_TPU = {"linux": "libedgetpu.so.1", "darwin": "libedgetpu.1.dylib"}.get(sys.platform, "edgetpu.dll")
VENDORS = {
    "qualcomm": ("qualcomm", "ai-edge-litert-sdk-qualcomm"),
    "mediatek": ("mediatek", "ai-edge-litert-sdk-mediatek"),
    "google_tensor": ("google_tensor", "ai-edge-litert-sdk-google-tensor"),
    "intel": ("intel_openvino", "ai-edge-litert-sdk-intel"),
    "openvino": ("intel_openvino", "ai-edge-litert-sdk-intel"),
}
"""NPU by vendor -> the folder of its libraries in ai_edge_litert, and the package with its compiler. `openvino` is the
same route as `intel`, its graph on the CPU."""

DELEGATES = ("gpu", "npu", "tpu", *VENDORS)


def open_model(model: Path, metadata: ArtifactMetadata, delegate: str = "cpu") -> Runtime:
    """Return a runtime for a TFLite file. PipelineError when LiteRT refuses it, DelegateError when the delegate does."""
    content = model.read_bytes()
    if delegate == "tpu" and EDGE_TPU_OPERATION in content:
        interpreter = _edge_tpu(content)
        run = _interpreted(interpreter)
    else:
        interpreter = _cpu(model, content, metadata)
        run = _interpreted(interpreter) if delegate == "cpu" else _delegated(content, delegate, interpreter)
    return (
        _windowed(model, interpreter, run, metadata) if metadata.form == "windowed" else Streaming(model, run, metadata)
    )


def _cpu(model: Path, content: bytes, metadata: ArtifactMetadata) -> Any:
    """Return an interpreter on the CPU. Before any delegate, so that a file that is no model is not blamed on it."""
    # Without preserve_all_tensors XNNPACK leaves states of static int8 files without memory ("Tensor data is null").
    whole = {"experimental_preserve_all_tensors": True} if metadata.quantization == "int8" else {}
    with _stderr():  # LiteRT tells there which delegates it made
        try:
            interpreter = interpreters.Interpreter(model_content=content, num_threads=1, **whole)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError, SystemError) as error:
            raise PipelineError(f"model {model}: LiteRT cannot load it ({first_line(error)})") from error
    return interpreter


def _interpreted(interpreter: Any) -> Run:
    """Return a function that runs an interpreter: by its signature, or by tensor names where the file has none."""
    signatures = interpreter.get_signature_list()
    if signatures:
        runner = interpreter.get_signature_runner(next(iter(signatures)))
        return lambda given: runner(**given)
    inputs = {detail["name"]: detail["index"] for detail in interpreter.get_input_details()}
    outputs = {detail["name"]: detail["index"] for detail in interpreter.get_output_details()}

    def run(given: dict[str, Array]) -> dict[str, Array]:
        for name, value in given.items():
            interpreter.set_tensor(inputs[name], value)
        interpreter.invoke()
        return {name: interpreter.get_tensor(index) for name, index in outputs.items()}

    return run


def _delegated(content: bytes, delegate: str, interpreter: Any) -> Run:
    if delegate not in DELEGATES:
        raise DelegateError(f"LiteRT has no delegate {delegate!r}; it knows {', '.join(DELEGATES)}")
    signatures = interpreter.get_signature_list()
    if delegate != "tpu":
        return _compiled(content, delegate, signatures)
    # An Edge TPU takes only what its compiler made; its library would leave the rest to the CPU, and not say so.
    edge_tpu = "Edge TPU: the file was not made for it; give an int8 file to edgetpu_compiler, and its output here"
    try:
        return _compiled(content, "google_tensor", signatures)
    except DelegateError as error:
        raise DelegateError(f"{edge_tpu}; Google Tensor: {error}") from error


def _edge_tpu(content: bytes) -> Any:
    """Return an interpreter with the Edge TPU's library."""
    try:
        ctypes.CDLL(EDGE_TPU)  # load_delegate leaves half an object behind where the library is missing
        library = interpreters.load_delegate(EDGE_TPU)
        interpreter = interpreters.Interpreter(model_content=content, experimental_delegates=[library])
        interpreter.allocate_tensors()
    except (OSError, ValueError, RuntimeError) as error:
        raise DelegateError(f"Edge TPU: {first_line(error)}; install libedgetpu1-std and plug in the device") from error
    return interpreter


def _compiled(content: bytes, delegate: str, signatures: dict[str, Any]) -> Run:
    """Return a function that runs the model on one accelerator. What it says to stderr meanwhile is the reason."""
    if not signatures:
        raise DelegateError("the file has no signature: export it again with `inherent export --backend litert`")
    try:
        compiled_model = importlib.import_module("ai_edge_litert.compiled_model")
    except ImportError as error:
        raise DelegateError(f"{error}: pip install 'inherentd[litert]'") from error
    with _stderr() as said:
        try:
            return _bound(compiled_model, content, delegate, signatures)
        except (RuntimeError, ValueError, OSError) as error:
            reason = f"{_reason(said(), error)}{_hint(delegate)}"
            # Not raised here: what was made goes with this exception, and says good-bye on stderr too.
    raise DelegateError(reason)


def _bound(compiled_model: Any, content: bytes, delegate: str, signatures: dict[str, Any]) -> Run:
    """Return a function that runs the compiled model with input and output buffers of its own."""
    compiled: Any = compiled_model.CompiledModel.from_buffer(
        content, options=_options(compiled_model, delegate), environment=_environment(compiled_model, delegate)
    )
    if not compiled.is_fully_accelerated():
        raise RuntimeError("takes only a part of the model")
    signature, names = next(iter(signatures.items()))
    inputs = {name: compiled.create_input_buffer_by_name(signature, name) for name in names["inputs"]}
    outputs = {name: compiled.create_output_buffer_by_name(signature, name) for name in names["outputs"]}
    shapes = {name: tuple(detail["shape"]) for name, detail in compiled.get_output_tensor_details(signature).items()}

    def run(given: dict[str, Array]) -> dict[str, Array]:
        for name, value in given.items():
            inputs[name].write(np.ascontiguousarray(value))
        compiled.run_by_name(signature, inputs, outputs)
        return {
            name: np.asarray(outputs[name].read(int(np.prod(shape)), np.float32)).reshape(shape)
            for name, shape in shapes.items()
        }

    # Once, while stderr is caught: the first run makes another environment, and tells so at length.
    given = compiled.get_input_tensor_details(signature)
    run({name: np.zeros(given[name]["shape"], np.float32) for name in inputs})
    return run


def _options(compiled_model: Any, delegate: str) -> Any:
    accelerators = compiled_model.HardwareAccelerator
    options = compiled_model.Options(hardware_accelerators=accelerators.GPU if delegate == "gpu" else accelerators.NPU)
    if delegate == "openvino":
        options.intel_openvino_options.graph_backend = compiled_model.IntelOpenVinoOptions.GRAPH_BACKEND.CPU
    elif delegate == "intel":
        options.intel_openvino_options.graph_backend = compiled_model.IntelOpenVinoOptions.GRAPH_BACKEND.NPU
    return options


def _environment(compiled_model: Any, delegate: str) -> Any:
    """Return where LiteRT looks for libraries. An NPU is asked for by its vendor's library only: with another vendor's,
    LiteRT would run on that one, or on the CPU, and say nothing."""
    package = Path(compiled_model.__file__).parent
    if delegate not in VENDORS:
        return compiled_model.Environment.create(runtime_path=str(package))
    folder, _ = VENDORS[delegate]
    dispatch, compiler = (package / "vendors" / folder / kind for kind in ("dispatch", "compiler"))
    for kind, found in (
        ("dispatch", dispatch.glob("*LiteRtDispatch*")),
        ("compiler", compiler.glob("*LiteRtCompilerPlugin*")),
    ):
        if not any(found):  # without either LiteRT runs on the CPU, and calls that accelerated
            raise DelegateError(f"this ai-edge-litert has no {kind} library for {delegate}{_hint(delegate)}")
    return compiled_model.Environment.create(
        options=compiled_model.EnvironmentOptions(
            runtime_path=str(package), compiler_plugin_path=str(compiler), dispatch_library_path=str(dispatch)
        )
    )


def _windowed(model: Path, interpreter: Any, run: Run, metadata: ArtifactMetadata) -> SlidingWindow:
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1 or len(inputs[0]["shape"]) != 3:
        found = [(detail["name"], detail["shape"].tolist()) for detail in inputs]
        raise PipelineError(f"model {model}: inputs {found}, expected one mel_spectrogram [1, T, 128]")
    frames = int(inputs[0]["shape_signature"][1])
    if frames < 1:
        raise PipelineError(f"model {model}: T is dynamic, expected a fixed one; export it with a fixed length")
    signatures = interpreter.get_signature_list()
    if signatures:
        signature = next(iter(signatures.values()))
        given, told = signature["inputs"][0], signature["outputs"][0]
    else:
        given, told = inputs[0]["name"], outputs[0]["name"]

    def score(mel: Array) -> Array:
        return np.asarray(run({given: mel})[told], np.float32)[0]

    return SlidingWindow(metadata, score, static_frames=frames)


@contextmanager
def _stderr() -> Generator[Callable[[], str]]:
    """Catch what native code writes to file descriptor 2: LiteRT's exceptions name a line of its source, not a reason. What
    other threads write there meanwhile is lost, so models are opened before threads begin. Without a place for a
    temporary file, or without a stderr, nothing is caught."""
    with ExitStack() as stack:
        try:
            caught = stack.enter_context(tempfile.TemporaryFile())
            before = os.dup(2)
        except OSError:
            yield lambda: ""
            return
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(caught.fileno(), 2)
        try:
            yield lambda: (caught.seek(0), caught.read().decode(errors="replace"))[1]
        finally:
            os.dup2(before, 2)
            os.close(before)


def _reason(said: str, error: Exception) -> str:
    """Return what tells most: the end of the first error in what was said, or else the exception's first line."""
    told = re.search(r"^ERROR: (.*?)(?=^(?:INFO|WARNING|ERROR|[EWI]\d{4})|\Z)", said, re.MULTILINE | re.DOTALL)
    lines = [line for line in (told[1] if told else "").splitlines() if line.strip()]
    if not lines:
        told_nothing = re.match(r"ERROR: \[", first_line(error))  # a line of LiteRT's source
        return "LiteRT found no such accelerator, and does not say more" if told_nothing else first_line(error)
    line = re.sub(r"^\[[^]]*\] ", "", lines[-1])
    return re.sub(r"(?:/[^\s\":/]+)+/", "", line)[:LONGEST_REASON]


def _hint(delegate: str) -> str:
    """Return what to install for a vendor's accelerator, where that is missing."""
    if delegate in VENDORS:
        package = VENDORS[delegate][1]
        try:
            importlib.metadata.distribution(package)
        except importlib.metadata.PackageNotFoundError:
            return f"; it needs pip install {package}"
    return ""
