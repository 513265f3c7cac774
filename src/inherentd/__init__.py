"""The always-on front door of a voice assistant. See README.md."""

import os

# ONNX Runtime reports to its maker over the network since 1.29 (which model, which machine) and keeps an identity for that on
# disk, unless this is set before it is imported. A program that holds the microphone talks to nobody unasked.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
