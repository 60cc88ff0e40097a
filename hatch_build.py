"""A wheel with compiled kernels, if the environment says where they are: scripts/build_wheel."""

import os
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class KernelsHook(BuildHookInterface):
    """Adds the bundles of kernels in the folder FASTCLF_BUNDLES to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the folder to what goes into the wheel, which then is for one platform."""
        folder = os.environ.get("FASTCLF_BUNDLES")
        if folder and self.target_name == "wheel" and version == "standard":
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            build_data["force_include"][folder] = "fastclf/_compiled"
