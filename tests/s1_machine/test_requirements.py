"""What the package imports is what it asks for: a development environment has more, and hides what
is missing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata

from packaging.requirements import Requirement

IMPORT_ALL = """
import importlib, json, pkgutil, sys
allowed = set(json.loads(sys.argv[1])) | set(sys.stdlib_module_names)

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed:
            raise ModuleNotFoundError(f"{name} is no requirement of the package", name=name)

sys.meta_path.insert(0, Refuse())
import multikernel
failed = []
for module in pkgutil.walk_packages(multikernel.__path__, "multikernel."):
    if module.name.endswith(".__main__"):
        continue
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        failed.append(f"{module.name}: {error}")
print(json.dumps(failed))
"""


def required(name: str, found: set[str]) -> set[str]:
    """The distribution and everything that it needs here, without extras."""
    if name not in found:
        found.add(name)
        for line in metadata.requires(name) or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                required(requirement.name.lower(), found)
    return found


def test_every_module_can_be_imported_with_what_the_package_requires() -> None:
    wanted = {name.replace("_", "-") for name in required("multikernel", set())}
    allowed = [
        module
        for module, owners in metadata.packages_distributions().items()
        if any(owner.lower().replace("_", "-") in wanted for owner in owners)
    ]
    assert "numpy" in allowed
    assert "mypy" not in allowed
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, json.dumps([*allowed, "multikernel"])],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == []
