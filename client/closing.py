"""Closed by the end of a `with` block, or of an `async with` block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class _Closed(ABC):
    @abstractmethod
    def close(self) -> None:
        """Let go of everything."""


class Closing(_Closed):
    """What a `with` block's end closes."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


class AsyncClosing(_Closed):
    """What an `async with` block's end closes; closing does not wait."""

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        self.close()
