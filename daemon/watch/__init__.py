"""`inherentd watch`: what a daemon hears and decides, live in a terminal."""
