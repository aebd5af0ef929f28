"""Embeddings on this machine, for ``similar`` without an endpoint: WordLlama (extra ``embed``), from its own package.

The package contains the vectors of one model, of 256 numbers, and its tokenizer. By default it looks for the tokenizer
in another folder than it is in, and downloads it. Here it is given its own folder, and downloads are disabled.
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.scorers.cosines import Similarity
from pytest_evalgate.scorers.registry import SpecError

if TYPE_CHECKING:
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Graded, Output

NAME: Final = "wordllama"


def check_installed() -> None:
    """Load the model, so that a suite without it fails before anything runs.

    Raises:
        SpecError: The package is not installed, or has no model.
    """
    try:
        _model()
    except ImportError:
        raise SpecError(f"{NAME} is not installed: pip install 'pytest-evalgate[embed]'") from None
    except (OSError, ValueError) as error:
        raise SpecError(f"{NAME} cannot be loaded from its package: {error}") from error


def similarity(case: Case, output: Output, *, references: tuple[str, ...] | None, negated: bool) -> Graded:
    """Return the cosine of the output and its best reference, as `similar` does; 1 minus it if ``negated``."""
    question = Similarity(references)
    texts = question.texts(case, output)
    value, reason = question.grade_empty()
    if texts[0].strip():
        vectors = [_vector(text) for text in texts]
        if not all(map(any, vectors)):
            return None, f"{NAME} has no vector for a text without known words"
        value, reason = question.grade(texts, vectors)
    return (1 - value if negated and value is not None else value), reason


@functools.cache
def _model() -> Any:
    module = importlib.import_module(NAME)
    folder = Path(str(module.__file__)).parent
    return module.WordLlama.load(cache_dir=folder, disable_download=True)


@functools.lru_cache(maxsize=4096)  # references recur, and a vector of 256 numbers takes 8 KiB
def _vector(text: str) -> list[float]:
    vector: list[float] = _model().embed([text])[0].tolist()
    return vector
