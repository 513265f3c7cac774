"""Audio to events, without I/O: frontend, runtimes, gate, engine."""
