"""The compiled core, which may be missing: without a compiler the engine runs in NumPy. The rest is in pyproject.toml."""

import os
import sys
import sysconfig

from setuptools import Extension, setup

# One wheel for all versions from 3.11 on; Python without its lock has no such interface yet.
LIMITED = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
# No fused multiply-add (-ffp-contract=off): a sum is the same on every machine. The other two change no result.
UNIX = ["-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra"]
FLAGS = (["/O2", "/fp:precise"] if os.name == "nt" else UNIX) + os.environ.get("CONVTOOL_CFLAGS", "").split()

setup(
    ext_modules=[
        Extension(
            "convtool.engine._core",
            ["convtool/engine/core.c"],
            depends=["convtool/engine/lanes.h"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")] if LIMITED else [],
            py_limited_api=LIMITED,
            extra_compile_args=FLAGS,
            optional="CONVTOOL_REQUIRE_CORE" not in os.environ,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if LIMITED else {},
)
