"""The gate as it runs: long streams through the daemon's engine, thresholds swept over what was recorded, delays, state."""
