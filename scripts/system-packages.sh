#!/bin/sh
# Install the system libraries that pip cannot bring, when they are missing and this user may install them.
#   python: Python with venv, for a machine that has none that fits
#   microphone: PortAudio, which sounddevice loads when a microphone is used
#   pulseaudio: a sound server without hardware, for the tests of the microphone path
#   services: systemd, not to be started: its programs check the units
#   synthesizer: flite and espeak-ng, for the tests that make speech
#   terminal: tmux, for the test of inherentd watch
#   broker: a NATS server, for the test of examples/brokers
#   browser: Chromium, Node and npm, for the browser demo and for the tests of all pages
# A failure is a warning, not an error: files and standard input need no library, and make itself says when Python is missing.
set -u
export DEBIAN_FRONTEND=noninteractive
PATH="$PATH:/usr/sbin:/sbin" # ldconfig lies there, where Debian does not look for plain users
have_library() { ldconfig -p 2>/dev/null | grep -q "$1"; }

wanted=""
for part in "$@"; do
  case "$part" in
    python) wanted="$wanted python3 python3-venv" ;;
    microphone) have_library libportaudio.so.2 || wanted="$wanted libportaudio2" ;;
    pulseaudio) command -v pulseaudio >/dev/null 2>&1 || wanted="$wanted pulseaudio pulseaudio-utils libasound2-plugins" ;;
    services) command -v systemd-analyze >/dev/null 2>&1 || wanted="$wanted systemd" ;;
    synthesizer) command -v flite >/dev/null 2>&1 && command -v espeak-ng >/dev/null 2>&1 || wanted="$wanted flite espeak-ng" ;;
    broker) command -v nats-server >/dev/null 2>&1 || wanted="$wanted nats-server" ;;
    terminal) command -v tmux >/dev/null 2>&1 || wanted="$wanted tmux" ;;
    browser)
      command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || wanted="$wanted chromium"
      command -v node >/dev/null 2>&1 || wanted="$wanted nodejs"
      command -v npm >/dev/null 2>&1 || wanted="$wanted npm"
      ;;
    *) echo "$0: got $part, expected python, microphone, pulseaudio, services, synthesizer, terminal, broker or browser" >&2; exit 2 ;;
  esac
done

# The wheel of sounddevice brings PortAudio along on macOS; node and Chromium come by brew there (docs/browser.md).
[ "$(uname)" = Linux ] && [ -n "$wanted" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
  echo "without$wanted (or your distribution's names for them) what needs them stays off" >&2
elif [ "$(id -u)" -eq 0 ]; then
  # shellcheck disable=SC2086 - a list of package names
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends $wanted; } >&2 ||
    echo "could not install$wanted: what needs them stays off" >&2
else
  echo "missing here: sudo apt-get install$wanted" >&2
fi
exit 0
