"""What pyproject.toml cannot say: the compiled core, which may be missing, and the kernels beside the package.

CONVTOOL_REQUIRE_CORE=1 makes an error of a core that cannot be built; CONVTOOL_CFLAGS has more flags for the compiler.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import BaseError, CCompilerError, CompileError

CORE = "convtool.engine._core"
REQUIRED = os.environ.get("CONVTOOL_REQUIRE_CORE", "0") not in ("", "0")
EXTRA = os.environ.get("CONVTOOL_CFLAGS", "").split()
# One wheel for all versions from 3.11 on; Python without its lock has no such interface yet.
LIMITED = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
# No fused multiply-add (-ffp-contract=off): a sum is the same on every machine. The other two of -f change no result.
# No symbols for a debugger (-g0), which some Pythons ask for: they are more than half of the file.
UNIX = ["-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-g0", "-Wall", "-Wextra"]
MSVC = ["/std:c11", "/O2", "/fp:precise"]


class BuildCore(build_ext):
    """The compiled core. Where it cannot be built, setuptools warns and goes on, as it is optional."""

    def build_extension(self, ext: Extension) -> None:
        """Compile with the flags that the compiler knows."""
        unix = self.compiler.compiler_type != "msvc"
        ext.extra_compile_args = (UNIX if unix else MSVC) + EXTRA
        ext.extra_link_args = EXTRA if unix else []  # a sanitizer has to be linked, too
        try:
            super().build_extension(ext)
        except (CCompilerError, BaseError) as error:
            if self.editable_mode:  # one of other sources than these is worse than none
                Path(self.get_ext_filename(CORE)).unlink(missing_ok=True)
            if REQUIRED:
                raise
            raise CompileError(f"convtool will do the same in NumPy, more slowly ({error})") from error


class BuildPackage(build_py):
    """The package with the kernels in it. A checkout that is installed as it is (pip -e) finds them by itself."""

    def run(self) -> None:
        """Put all files of the package together."""
        if self.editable_mode:
            return
        package = Path(self.build_lib, "convtool")
        shutil.rmtree(package, ignore_errors=True)  # else what is gone from the sources would stay in wheels
        super().run()
        for source in Path("kernels").rglob("*.yaml"):
            target = package / "kernels" / "builtin" / source.relative_to("kernels")
            self.mkpath(str(target.parent))
            self.copy_file(str(source), str(target))


class Wheel(bdist_wheel):
    """A wheel that says where it runs: without the core in it, anywhere."""

    def get_tag(self) -> tuple[str, str, str]:
        """The wheel's tag; asked for when all is built, and of an editable one before."""
        if self.distribution.have_run.get("build_ext"):
            self.root_is_pure = not Path(self.get_finalized_command("build_ext").get_ext_fullpath(CORE)).exists()
        return super().get_tag()


setup(
    ext_modules=[
        Extension(
            CORE,
            ["convtool/engine/core.c"],
            depends=["convtool/engine/lanes.h"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")] if LIMITED else [],
            py_limited_api=LIMITED,
            optional=not REQUIRED,
        )
    ],
    cmdclass={"build_ext": BuildCore, "build_py": BuildPackage, "bdist_wheel": Wheel},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if LIMITED else {},
)
