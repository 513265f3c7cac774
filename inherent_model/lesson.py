"""What is minimized: every step's targets, each stream's peak, and phoneme CTC."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inherentd.inherent_model.architecture import InherentModel
from inherentd.inherent_model.dataset import Batch
from inherentd.inherent_model.shards import Heard

POSITIVE_EMPHASIS = 3.0
"""a fired head is rare among the steps: its steps count so much more"""


class Lesson(nn.Module):
    """A model and its loss as one module, so that DistributedDataParallel can wrap both."""

    def __init__(self, model: InherentModel, phoneme_weight: float) -> None:
        super().__init__()
        self.model = model
        self.phoneme_weight = phoneme_weight

    def forward(
        self, batch: Batch | Heard, noise: float = 0.0, *, phonemes_only: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return the loss and its parts (dense, peak, phoneme), detached.

        `noise`: standard deviation, in those of the embeddings, of what is added to embeddings that were heard
        before: it stands in for the augmentation that is no longer new.
        """
        state = self.model.initial_state(batch.target.shape[0])
        if isinstance(batch, Heard):
            spread = self.model.embedding_norm.running_var
            assert spread is not None
            embeddings = batch.embeddings + noise * spread.sqrt()[:, None] * torch.randn_like(batch.embeddings)
        else:
            embeddings, _ = self.model.listen(batch.mel, state)
        logits, phoneme_logits, _ = self.model.understand(embeddings, state)
        dense, peak = head_losses(logits.float(), batch.target, batch.weight)
        phoneme = phoneme_loss(phoneme_logits, batch)
        heads = (dense + peak) * (0.0 if phonemes_only else 1.0)
        weight = 1.0 if phonemes_only else self.phoneme_weight
        return heads + weight * phoneme, torch.stack([dense, peak, phoneme]).detach()


def head_losses(logits: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean loss of the steps and that of the peaks; all inputs [batch, steps, heads].

    The peak term is what a gate is judged by: over a stream without a fired head its highest score counts, wherever
    it occurs; with one, the highest within the time in which the head should be certain.
    """
    bce = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    emphasis = weight * (1 + POSITIVE_EMPHASIS * target)
    dense = (bce * emphasis).sum() / emphasis.sum()
    positive = (target * (weight > 0)).amax(1)
    inside = logits.masked_fill(target < 1, -30.0).amax(1)
    outside = logits.masked_fill((target > 0) | (weight == 0), -30.0).amax(1)
    softplus = nn.functional.softplus
    return dense, (positive * softplus(-inside) * 2 + softplus(outside)).mean()


def phoneme_loss(logits: Tensor | None, batch: Batch | Heard) -> Tensor:
    """Return CTC's negative log likelihood per phoneme (Graves et al. 2006) over the streams whose text is known."""
    if logits is None:
        return torch.zeros(())
    if not batch.has_text.any():
        return logits.sum() * 0
    chosen = logits[batch.has_text].float().log_softmax(-1).transpose(0, 1)
    lengths = batch.phoneme_lengths[batch.has_text]
    steps = torch.full((chosen.shape[1],), chosen.shape[0])
    total = nn.functional.ctc_loss(chosen, batch.phonemes, steps, lengths, reduction="sum", zero_infinity=True)
    return total / lengths.sum()
