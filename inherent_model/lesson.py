"""What is minimized: every step's targets, each stream's peak, phoneme CTC, which words were said, and word CTC."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inherentd.inherent_model.architecture import InherentModel
from inherentd.inherent_model.dataset import Batch
from inherentd.inherent_model.single_label import SingleLabel

POSITIVE_EMPHASIS = 3.0
"""a fired head is rare among the steps: its steps count so much more"""
WORD_STEPS = 4
"""for so long after the last word, 0.3 s, the model should know what was said"""


class Lesson(nn.Module):
    """A model and its loss as one module, so that DistributedDataParallel can wrap both. The layers that tell the words
    are the lesson's: the model does not keep them."""

    def __init__(self, model: InherentModel, phoneme_weight: float, word_weight: float = 0.0, terms: int = 0, *,
                 single_label: SingleLabel | None = None, class_weight: float = 0.0,
                 gate_weight: float = 1.0, sequence_words: int = 0, sequence_weight: float = 0.0,
                 sequence_blocks: int = 0) -> None:  # fmt: skip
        super().__init__()
        self.model = model
        self.head_weights = torch.tensor([gate_weight] + [1.0] * (len(model.config.heads) - 1))
        self.phoneme_weight = phoneme_weight
        self.word_weight = word_weight
        self.single_label: SingleLabel | None = single_label
        self.class_weight = class_weight
        self.word = nn.Linear(model.config.channels, terms) if terms else None
        if self.word is not None:
            nn.init.constant_(self.word.bias, -5.0)  # a term is rare: it begins as improbable
        self.sequence_weight = sequence_weight
        self.sequence_blocks = sequence_blocks
        # Its classes: the blank, the words, and one for all others.
        self.sequence = nn.Linear(model.config.channels, sequence_words + 2) if sequence_words else None

    def forward(self, batch: Batch, *, phonemes_only: bool = False) -> tuple[Tensor, Tensor]:
        """Return the loss and its parts (dense, peak with that of the classes, phoneme, word, sequence of words), detached."""
        understood, phoneme_logits, _ = self.model.understand(batch.mel, self.model.initial_state(len(batch.mel)))
        logits = self.model.score(understood[-1]).float()
        dense, peak = head_losses(logits, batch.target, batch.weight, self.head_weights)
        if self.single_label and self.class_weight:
            peak = peak + self.class_weight * class_loss(logits, batch.target, self.single_label)
        phoneme = ctc_loss(phoneme_logits, batch.phonemes, batch.phoneme_lengths)
        word = word_loss(self.word, understood[-1], batch)
        sequence_logits = self.sequence(understood[self.sequence_blocks]) if self.sequence else None
        sequence = ctc_loss(sequence_logits, batch.sequence, batch.sequence_lengths)
        if phonemes_only:
            loss = phoneme + 0.0 * (dense + peak + word + sequence)
        else:
            words = self.word_weight * word + self.sequence_weight * sequence
            loss = dense + peak + self.phoneme_weight * phoneme + words
        return loss, torch.stack([dense, peak, phoneme, word, sequence]).detach()


def head_losses(logits: Tensor, target: Tensor, weight: Tensor, head_weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean loss of the steps and that of the peaks; inputs [batch, steps, heads], and how much each head
    counts in the means, [heads].

    The peak term is what a gate is judged by: over a stream without a fired head its highest score counts, wherever
    it occurs; with one, the highest within the time in which the head should be certain.
    """
    bce = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    emphasis = weight * (1 + POSITIVE_EMPHASIS * target) * head_weights
    dense = (bce * emphasis).sum() / emphasis.sum()
    positive = (target * (weight > 0)).amax(1)
    inside = logits.masked_fill(target < 1, -30.0).amax(1)
    outside = logits.masked_fill((target > 0) | (weight == 0), -30.0).amax(1)
    softplus = nn.functional.softplus
    peaks = positive * softplus(-inside) * 2 + softplus(outside)
    return dense, (peaks * head_weights).mean() / head_weights.mean()


def class_loss(logits: Tensor, target: Tensor, single_label: SingleLabel) -> Tensor:
    """Return the mean cross entropy of the class of each stream that has one only; both inputs [batch, steps, heads].

    The logits are those of the peaks, of which `single_label.class_scores` takes the highest: what is compared is trained.
    """
    peaks, said = logits.amax(1), target.amax(1)
    words, spoken = said[:, 1:], said[:, 0] > 0
    chosen = words.sum(1) == 1
    label = words.argmax(1)
    scores = peaks[:, 1:]
    if single_label == "open":
        # log odds of: nobody speaks, a word that no head knows (as likely as not), each word
        scores = torch.cat([-peaks[:, :1], torch.zeros_like(peaks[:, :1]), scores], 1)
        label = torch.where(words.any(1), label + 2, spoken.long())
        chosen = words.sum(1) <= 1
    if not chosen.any():
        return logits.sum() * 0
    return nn.functional.cross_entropy(scores[chosen], label[chosen])


def ctc_loss(logits: Tensor | None, symbols: Tensor, lengths: Tensor) -> Tensor:
    """Return CTC's negative log likelihood per symbol (Graves et al. 2006) over the streams in which it is known what is
    said; logits [batch, steps, symbols], whose blank is 0, those streams' symbols one after another, and how many each
    stream has, 0 where nobody knows."""
    if logits is None:
        return torch.zeros(())
    known = lengths > 0
    if not known.any():
        return logits.sum() * 0
    chosen = logits[known].float().log_softmax(-1).transpose(0, 1)
    steps = torch.full((chosen.shape[1],), chosen.shape[0])
    total = nn.functional.ctc_loss(chosen, symbols, steps, lengths[known], reduction="sum", zero_infinity=True)
    return total / lengths.sum()


def word_loss(layer: nn.Linear | None, understood: Tensor, batch: Batch) -> Tensor:
    """Return the binary cross entropy of every term of the vocabulary after the last word, averaged over
    `WORD_STEPS` steps, per term that was said; understood: [batch, steps, channels]."""
    if layer is None:
        return torch.zeros(())
    streams, first = batch.word_places.unbind(1)
    steps = (first[:, None] + torch.arange(WORD_STEPS)).clamp(max=understood.shape[1] - 1)
    logits = layer(understood[streams[:, None], steps]).float()
    said = batch.words[:, None].expand_as(logits).float()
    total = nn.functional.binary_cross_entropy_with_logits(logits, said, reduction="sum")
    return total / (WORD_STEPS * batch.words.sum()).clamp(min=1)
