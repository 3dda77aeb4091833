"""Which code the tests run: the sources, or what `make compiled` has made of some of them."""

import os
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from testing.harness.documents import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MODULES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["modules"]
IS_COMPILED = "SYNCKAIROS_COMPILED" in os.environ


@pytest.mark.parametrize("path", MODULES)
def test_the_tests_run_what_they_were_asked_to_run(path: str) -> None:
    """`make test` runs the sources, and `make test-stores COMPILED=1` an extension module for every one in the list."""
    module = import_module(path.removesuffix(".py").replace("/", "."))

    assert module.__file__ is not None
    assert (Path(module.__file__).suffix == ".so") is IS_COMPILED


@pytest.mark.parametrize("path", MODULES)
def test_what_is_compiled_awaits_nothing(path: str) -> None:
    """Coroutines stay with the interpreter: cancellation there is asyncio's to define, not a compiler's."""
    assert "async def " not in (ROOT / path).read_text()
