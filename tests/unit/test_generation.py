"""The templates of other languages generate what each needs: Google's files where nothing else brings them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def template(language: str) -> dict[str, Any]:
    """Return the template of a language."""
    found: dict[str, Any] = yaml.safe_load((ROOT / f"buf.gen.{language}.yaml").read_text())
    return found


@pytest.mark.parametrize(
    ("language", "inputs"),
    [
        ("go", [{"directory": ".", "paths": ["protos/synckairos"]}]),
        ("java", [{"directory": ".", "paths": ["protos/synckairos"]}]),
        ("connect-es", [{"directory": "."}]),
        ("csharp", [{"directory": ".", "paths": ["protos/synckairos"]}]),
        ("rust", [{"directory": ".", "paths": ["protos/synckairos"]}]),
    ],
)
def test_googles_files_are_generated_only_where_no_package_has_them(
    language: str, inputs: list[dict[str, object]]
) -> None:
    """Twice generated, they clash in Java and Go; left out, Connect-ES imports what is not there."""
    assert template(language)["inputs"] == inputs


def test_every_file_is_of_the_go_module_of_the_template() -> None:
    """`module=` refuses a file of any other."""
    packages = [
        re.findall(r'^option go_package = "(.+);', path.read_text(), re.MULTILINE)
        for path in (ROOT / "protos" / "synckairos").rglob("*.proto")
    ]
    modules = {option for plugin in template("go")["plugins"] for option in plugin["opt"]}

    assert packages
    assert modules == {"module=synckairos.dev/gen"}
    assert {package.startswith("synckairos.dev/gen/") for (package,) in packages} == {True}
