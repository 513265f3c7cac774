#!/bin/sh
# Corpus, model, thresholds, report and artifacts from nothing: sh scripts/rebuild_model.sh [--quick]
# Needs the set-up of docs/training.md. Works in the current folder (corpora/, runs/, models/; corpora/text and
# corpora/noise are used where they exist; WHISPER names a model of it, or a folder in faster-whisper's form). Whatever exists
# already is kept: an interrupted rebuild goes on where it was.
# --quick takes a small corpus and a small network through the same commands, in minutes: the model is good for nothing.
set -eu
configs=$(dirname "$0")/../configs
case "$*" in
--quick)
    corpora=quick real="" stages=quick out=runs/quick/models events="--limit 20" clips="--limit 20" day=--quick
    det=$out/det.png pages=$out/README.md shipped="--only inherent.onnx inherent-batched.onnx inherent-windowed.onnx"
    ;;
"")
    corpora="first talk near life voices more blends plenty again broad afresh natural" real=$configs/corpus/real.yaml
    stages="start hear whole robust plenty afresh natural rooms"
    out=models events=--real clips="--limit 300" day="--hours 24"
    det=$out/det.png pages="$out/README.md README.md docs/tuning.md"
    [ ! -d docs ] || det=docs/det.png # where the pages show it
    shipped="--backend all --only inherent.onnx inherent-batched.onnx inherent-windowed.onnx inherent-audio-float16.onnx inherent-litert.tflite inherent-mlx.safetensors"
    ;;
*)
    echo "usage: sh $0 [--quick]" >&2
    exit 2
    ;;
esac
for name in $corpora; do
    inherent corpus build --config "$configs/corpus/$name.yaml"
done
if [ -n "$real" ]; then
    inherent corpus real --config "$real"
    inherent corpus transcribe --manifest corpora/real/manifest.jsonl --model "${WHISPER:-tiny.en}" --min-seconds 2 ||
        echo "going on without the words of real speech" >&2
    if ! grep -qs '"split": "test"' corpora/real/manifest.jsonl; then
        echo "no real speech to test with (docs/real-speech.md): false accepts per hour will be of synthetic talk" >&2
        events=""
    fi
fi
weights=""
for stage in $stages; do
    train="inherent train"
    case "$stage" in
    robust | plenty | afresh | natural | rooms) train="torchrun --nproc-per-node 2 -m -- inherentd.inherent_model.cli train" ;;
    esac
    # A stage that was interrupted left its state behind; one that has ended left none.
    if [ -f "runs/$stage/resume.pt" ]; then
        $train --config "$configs/train/$stage.yaml" --resume
    elif [ ! -f "runs/$stage/best.safetensors" ]; then
        $train --config "$configs/train/$stage.yaml"
    fi
    earlier=$weights recipe="$configs/train/$stage.yaml" weights="runs/$stage/best.safetensors"
    case "$stage" in # these gain and forget: halfway is better than either end (docs/experiments.md)
    afresh | natural | rooms)
        inherent average "$earlier" "$weights" --share 0.5 --out "runs/$stage/halfway.safetensors"
        weights="runs/$stage/halfway.safetensors"
        ;;
    esac
done
mkdir -p "$out"
cp "$weights" "$out/inherent.safetensors"
weights="$out/inherent.safetensors"
inherent thresholds --checkpoint "$weights" --config "$recipe" --gate-budget 0.1 --out "$out/thresholds.json"
# shellcheck disable=SC2086 - several words
inherent export --checkpoint "$weights" --thresholds "$out/thresholds.json" --config "$recipe" --out "$out" $shipped
# shellcheck disable=SC2086 - no word or two
inherent eval --checkpoint "$weights" --config "$recipe" --conditions "$configs/eval/conditions.yaml" $clips \
    --out "$out/report.json"
# shellcheck disable=SC2086 - no word or two
inherent eval-events --model "$out/inherent.onnx" --config "$recipe" $events --out "$out/events.json" --det "$det"
# shellcheck disable=SC2086 - no word or two
inherent eval-state --model "$out/inherent.onnx" $day --out "$out/state.json"
for page in $pages; do
    [ ! -f "$page" ] || inherent card --models "$out" "$page"
done
