"""``convtool apply``: options to a checked run, results to messages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convtool import console
from convtool.cli import types
from convtool.cli.groups import EVERYDAY, input_options, option
from convtool.cli.layered import LayeredCommand, StackWords, layer_options, run_options, stack_of
from convtool.errors import InputError, UsageError
from convtool.pictures import prefetch
from convtool.pictures.formats import FORMATS
from convtool.text import choice
from convtool.tuples import NamedTuple

if TYPE_CHECKING:
    from convtool.runs.batch import Options
    from convtool.runs.inputs import Found

TOOLS = ("numpy", "scipy", "opencv", "torch")
"""What ``--as`` can write for."""

EXAMPLES = """
convtool apply img.png --kernel sobel --stride 1 --pad 1
    img_sobel-x.png and img_sobel-y.png, one image per feature map
convtool apply img.png -k sobel --merge magnitude -o edges.png
convtool apply img.png -k "0 -1 0; -1 5 -1; 0 -1 0"
convtool apply img.png -k my.yaml#glow -k box:size=5 -k sobel-x@90
convtool apply photos/ -k blur -o 'soft/{parent}/{stem}.{ext}' --recursive
find . -name '*.jpg' -print0 |
    convtool apply --files0-from - -k sharpen -o sharp/
cat img.png | convtool apply - -k gaussian:sigma=2 -f npy |
    convtool apply - -k sobel-x --range abs:1/255 --dtype uint8 -f png > x.png
"""

EPILOG = """\b
The kernel is read as written (correlation, as in CNN frameworks and OpenCV);
--flip turns it by 180 degrees (the mathematician's convolution).
Exit codes: 0 all written, 1 an input failed, 2 refused before any pixel was read.
"""


class Arguments(NamedTuple):
    """The command's arguments and options, checked one by one."""

    inputs: tuple[str, ...]
    words: StackWords
    kernel_dir: str | None
    files0: str | None
    recursive: bool
    output: str | None
    format: str | None
    quality: int
    compress: str
    force: bool
    skip_existing: bool
    sheet: bool
    jobs: int | None
    dry_run: bool
    json: bool
    verify: int | None
    max_pixels: int
    max_bytes: int
    lenient: bool
    tool: str | None
    quiet: bool
    verbose: bool
    debug: bool


def _compress(text: str) -> str:
    return choice(text, "compress", ("fast", "small", *"0123456789"))


@click.command("apply", cls=LayeredCommand, examples=EXAMPLES, epilog=EPILOG,
               short_help="Filter pictures: one image per feature map.")  # fmt: skip
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@option("--files0-from", "files0", group="Input", metavar="F", help="Take inputs from file F too (- is stdin), each "
        "ended by a NUL byte, as find -print0 does.")  # fmt: skip
@option("--recursive", group="Input", is_flag=True, help="Take sub-folders too; the output keeps their tree.")
@layer_options
@run_options("range", "dtype", "linear", "alpha")
@option("-o", "--output", group=EVERYDAY, metavar="OUT", help="-, a file, a folder, or a template of {stem} {suffix} "
        "{ext} {kernel} {map} {index} {parent}.  [beside the input]")  # fmt: skip
@option("-f", "--format", group=EVERYDAY, type=types.word("format", tuple(FORMATS), "FORMAT"),
        help=f"{' '.join(FORMATS)}.  [the output's suffix, the input's, png]")  # fmt: skip
@option("--quality", group="Output", type=click.IntRange(1, 100), metavar="N", default=92,
        help="Of jpg and webp, 1 to 100.  [92]")  # fmt: skip
@option("--compress", group="Output", type=types.Parsed("HOW", _compress), default="fast",
        help="Of png and tif: fast, small or a level 0 to 9.  [fast]")  # fmt: skip
@option("--force", group=EVERYDAY, is_flag=True, help="Replace outputs that exist.")
@option("--skip-existing", group="Output", is_flag=True, help="Leave outputs that exist.")
@option("--sheet", group="Output", is_flag=True, help="Also a labelled contact sheet of the input and its maps.")
@option("--as", "tool", group="Output", type=types.word("as", TOOLS, "TOOL"), help="Print this run as a program for "
        f"another tool, and stop: {', '.join(TOOLS)}.")  # fmt: skip
@option("-j", "--jobs", group="Batch", type=click.IntRange(1, 1024), metavar="N",
        help="Inputs, or parts of one, side by side.  [all cores]")  # fmt: skip
@option("--dry-run", group="Checking", is_flag=True,
        help="Show outputs, shapes, methods and memory; read headers only.")  # fmt: skip
@option("--json", group="Checking", is_flag=True, help="One JSON line per map on stdout.")
@option("--verify", group="Checking", type=click.IntRange(1), metavar="N",
        help="Recompute N random pixels by the definition.")  # fmt: skip
@input_options
@option("-q", "--quiet", group="Checking", is_flag=True, help="Errors only.")
@option("-v", "--verbose", group="Checking", is_flag=True, help="Say what is done, and how.")
@option("--debug", group="Checking", is_flag=True, help="Show tracebacks.")
def command(**given: Any) -> int:
    """Slide kernels over pictures and write one image per feature map.

    INPUT is a picture, a folder of pictures, or - for standard input.
    """
    return run(Arguments(**given))


def run(given: Arguments) -> int:
    """Carry out the command; the exit code. Raises ConvtoolError for what is refused before any pixel is read."""
    from convtool.stdio import check_stdout

    if len(given.inputs) == 1 and given.jobs != 1 and not (given.dry_run or given.tool):
        prefetch.begin(Path(given.inputs[0]), given.max_pixels)  # before NumPy is loaded
    else:
        prefetch.forget()
    if given.files0 is not None:
        from convtool.runs.input_lists import listed_inputs

        given = given._replace(inputs=(*given.inputs, *listed_inputs(given.files0, given.max_bytes)))
    _check_words(given)
    if given.json or given.dry_run or given.tool:
        check_stdout("the result")
    from convtool.engine.core import width
    from convtool.kernels.library import Library
    from convtool.runs.batch import plan_run

    width()  # CONVTOOL_CORE is wrong for all pictures alike, or for none
    library = Library(given.kernel_dir)
    stack = stack_of(given.words, library)
    if not given.quiet:
        for note in library.notes:
            console.say(note)
    found, run_options = _prepare(given)
    jobs = plan_run(found.sources, stack, run_options)
    if given.tool:
        from convtool.cli.elsewhere import print_translated

        return print_translated(jobs, found.failures, run_options, given.tool)
    if given.dry_run:
        from convtool.cli.dryrun import dry_run

        return dry_run(jobs, found.failures, run_options, json=given.json, verbose=given.verbose)
    from convtool.cli.execute import Shown, execute

    return execute(jobs, found, run_options, given.jobs, Shown(given.quiet, given.verbose, given.json))


def _check_words(given: Arguments) -> None:
    """Refuse what the options alone show to be wrong."""
    from convtool.runs.naming import is_folder

    if not given.inputs:
        raise UsageError("no input; name a picture, a folder or - for standard input (see convtool apply --help)")
    if given.force and given.skip_existing:
        raise UsageError("--force and --skip-existing contradict each other; give one of them")
    if given.files0 == "-" and "-" in given.inputs:
        raise UsageError("standard input is the list of inputs already; leave out the input -")
    if given.tool and given.sheet:
        raise UsageError("--as prints how the maps are made, and --sheet draws them; leave one of them out")
    if given.tool and "-" in given.inputs:
        raise UsageError("--as needs the name of a picture, and standard input has none")
    if list(given.inputs).count("-") > 1:
        raise UsageError("standard input (-) is given twice")
    stdout = given.output == "-" or (given.output is None and "-" in given.inputs)
    if given.json and stdout:
        raise UsageError("--json and -o - would both write to standard output; name a file with -o")
    if given.output is None:
        folder = next((name for name in given.inputs if name != "-" and is_folder(name)), None)
        if folder is not None:
            raise UsageError(f"{folder} is a folder; say where its maps go with -o, as in -o out/")


def _prepare(given: Arguments) -> tuple[Found, Options]:
    from convtool.pictures.formats import Encoding, reading
    from convtool.pictures.limits import Limits
    from convtool.runs.batch import Options
    from convtool.runs.inputs import find_inputs
    from convtool.runs.naming import make_naming, template_folder
    from convtool.stdio import check_stdout, read_stdin

    settings = given.words.settings
    stdin = "-" in given.inputs
    naming = make_naming(given.output, given.format, stdin=stdin, raw=settings.raw)
    if naming.kind == "stdout" and not given.dry_run:
        check_stdout()
    folder = Path(naming.output) if naming.kind == "folder" else None
    if naming.kind == "template":
        base = template_folder(naming.output)
        folder = Path(base) if base != "." else None
    found = find_inputs(given.inputs, recursive=given.recursive, output_folder=folder)
    if not found.sources and not found.failures:
        others = f" ({found.others} other files)" if found.others else ""
        deeper = "" if given.recursive else "; --recursive takes sub-folders too"
        raise UsageError(f"no pictures in {', '.join(given.inputs)}{others}{deeper}")
    data: bytes | InputError = b""
    if stdin:
        try:
            data = read_stdin(given.max_bytes)
        except InputError as error:
            data = error  # fails this input; others may be good
    begins = reading(data[:16]) if isinstance(data, bytes) else None
    if begins is not None and begins.name == "npy" and naming.kind == "stdout" and naming.format is None:
        naming = make_naming(given.output, "npy", stdin=stdin, raw=settings.raw)
    return (
        found,
        Options(
            naming=naming,
            encoding=Encoding(given.quality, given.compress),
            limits=Limits(given.max_pixels, reduce_16bit=settings.dtype == "uint8", lenient=given.lenient),
            force=given.force or given.tool is not None,  # nothing is written then
            skip_existing=given.skip_existing,
            measure=given.json,
            verify=given.verify or 0,
            sheet=given.sheet,
            stdin=data,
            debug=given.debug,
        ),
    )
