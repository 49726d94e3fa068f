"""A server's bearer token: one that lives in a file is read again when the server refuses it."""

from __future__ import annotations

from collections.abc import Callable


class Token:
    """The token in use, if any. `renewal` reads the one of now from where it is kept."""

    def __init__(self, value: str | None = None, renewal: Callable[[], str] | None = None) -> None:
        self.value = value or None
        self._renewal = renewal

    def renewed(self, refused: str | None) -> bool:
        """Whether there is another token than the one that was refused; it is in use from now on."""
        if self._renewal is not None and self.value == refused:
            try:
                self.value = self._renewal() or self.value
            except (OSError, ValueError):
                return False
        return self.value != refused

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.value}"} if self.value else {}

    @classmethod
    def of(cls, token: str | Token | None) -> Token:
        return token if isinstance(token, Token) else cls(token)
