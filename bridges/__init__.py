"""Bridges to what people use: Home Assistant (Wyoming), Pipecat, LiveKit Agents. Each in an extra of its own."""
