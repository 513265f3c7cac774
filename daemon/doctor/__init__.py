"""What `inherentd doctor` looks at: one small function a check, each given what it needs and returning findings."""
