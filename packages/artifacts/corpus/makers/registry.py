"""Every maker says with which library it makes which files, and what the gate must say of each."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Maker:
    library: str
    kept: tuple[str, ...]
    refused: dict[str, str]
    make: Callable[[], None]


makers: list[Maker] = []


def makes(library: str, kept: str = "", refused: dict[str, str] | None = None):
    """Registers a function that writes these files, and no others, into its working directory."""

    def register(make: Callable[[], None]):
        makers.append(Maker(library, tuple(kept.split()), refused or {}, make))
        return make

    return register
