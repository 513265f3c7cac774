"""What the live benchmarks stand on: a sound server without hardware, a player, a daemon and its subscriber."""
