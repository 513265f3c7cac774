"""The always-on front door of a voice assistant. See README.md."""
