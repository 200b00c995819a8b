"""``convtool apply``: options to a checked run, results to messages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convtool import console
from convtool.cli import types
from convtool.cli.layered import layer_options, stack_of
from convtool.cli.sheet_option import SheetCommand
from convtool.errors import InputError, UsageError
from convtool.layers import options
from convtool.pictures import limits, prefetch

if TYPE_CHECKING:
    from convtool.runs.batch import Options
    from convtool.runs.inputs import Found

EPILOG = """\b
Examples:
  convtool apply img.png --kernel sobel --stride 1 --pad 1
      img_sobel-x.png and img_sobel-y.png, one image per feature map
  convtool apply img.png -k sobel --merge magnitude -o edges.png
  convtool apply img.png -k "0 -1 0; -1 5 -1; 0 -1 0"
  convtool apply img.png -k my.yaml#glow -k box:size=5 -k sobel-x@90
  convtool apply photos/ -k blur -o 'soft/{parent}/{stem}.{ext}' --recursive
  find . -name '*.jpg' -print0 | convtool apply --files0-from - -k sharpen -o sharp/
  cat img.png | convtool apply - -k gaussian:sigma=2 -f npy | convtool apply - -k sobel-x \\
      --range abs:1/255 --dtype uint8 -f png > x.png
\b
The kernel is read as written (correlation, as in CNN frameworks and OpenCV);
--flip turns it by 180 degrees (the mathematician's convolution).
Exit codes: 0 all written, 1 an input failed, 2 refused before any pixel was read.
"""


@click.command("apply", cls=SheetCommand, epilog=EPILOG, short_help="Filter pictures: one image per feature map.")
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.option("--files0-from", "files0", metavar="F", help="Take inputs from file F too (- is stdin), each "
              "ended by a NUL byte, as find -print0 does.")  # fmt: skip
@click.option("--recursive", is_flag=True, help="Take sub-folders too; the output keeps their tree.")
@layer_options
@click.option("--range", "range_", type=types.RANGE, help="clip, abs, shift, stretch, symmetric or raw, with a gain as "
              "in abs:1/4.  [the kernel's, else clip]")  # fmt: skip
@click.option("--dtype", type=types.word("dtype", options.DTYPES), help="Sample type of the output.  [the input's]")
@click.option("--linear", is_flag=True, help="Filter in linear light; bias and constant=V are in its units, 0 to full.")
@click.option("--alpha", type=types.word("alpha", options.ALPHAS), default="weighted", help="What transparency does.  "
              "[weighted]")  # fmt: skip
@click.option("-o", "--output", metavar="OUT", help="-, a file, a folder, or a template of {stem} {suffix} {ext} "
              "{kernel} {map} {index} {parent}.  [beside the input]")  # fmt: skip
@click.option("-f", "--format", "format_", type=types.word("format", options.FORMAT_NAMES), metavar="FORMAT",
              help="png jpg tif webp bmp ppm pgm npy.  [the output's suffix, the input's, png]")  # fmt: skip
@click.option("--quality", type=click.IntRange(1, 100), default=92, help="Of jpg and webp.  [92]")
@click.option("--compress", type=types.COMPRESS, default="fast", help="Of png and tif.  [fast]")
@click.option("--force", is_flag=True, help="Replace outputs that exist.")
@click.option("--skip-existing", is_flag=True, help="Leave outputs that exist.")
@click.option("--sheet", type=types.word("sheet", options.SHEETS), help="Also a labelled contact sheet of the input"
              " and its maps, as png or as html; --sheet alone is png.")  # fmt: skip
@click.option("--colormap", type=types.word("colormap", options.COLORMAPS), help="Colours of grey maps on the sheet.  "
              "[diverging for signed maps, else grey]")  # fmt: skip
@click.option("-j", "--jobs", type=click.IntRange(1, 1024), metavar="N", help="Workers side by side.  [all cores]")
@click.option("--dry-run", is_flag=True, help="Show outputs, shapes, methods and memory; read headers only.")
@click.option("--json", "json_", is_flag=True, help="One JSON line per map on stdout.")
@click.option("--verify", type=click.IntRange(1), metavar="N", help="Recompute N random pixels by the definition.")
@click.option("--max-pixels", type=click.IntRange(1), default=limits.MAX_PIXELS, metavar="N",
              help=f"Refuse larger pictures.  [{limits.MAX_PIXELS}]")  # fmt: skip
@click.option("--max-bytes", type=click.IntRange(1), default=limits.MAX_BYTES, metavar="N",
              help="Refuse more on stdin and in lists.  [1 GiB]")  # fmt: skip
@click.option("--lenient", is_flag=True, help="Take what can be read of damaged files, and say so.")
@click.option("--as", "tool", type=types.word("as", options.TOOLS), help="Print this run as code or a command for "
              "another tool, and stop.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Say what is done, and how.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(**given: Any) -> int:
    """Slide kernels over pictures and write one image per feature map.

    INPUT is a picture, a folder of pictures, or - for standard input.
    """
    from convtool.stdio import check_stdout

    if len(given["inputs"]) == 1 and given["jobs"] != 1 and not (given["dry_run"] or given["tool"]):
        prefetch.begin(Path(given["inputs"][0]), given["max_pixels"])  # before NumPy is loaded
    else:
        prefetch.forget()
    if given["files0"] is not None:
        from convtool.runs.input_lists import listed_inputs

        given["inputs"] = (*given["inputs"], *listed_inputs(given["files0"], given["max_bytes"]))
    _check_words(given)
    if given["json_"] or given["dry_run"] or given["tool"]:
        check_stdout("the result")
    from convtool.engine.core import width
    from convtool.kernels.library import Library
    from convtool.runs.batch import plan_run

    width()  # CONVTOOL_CORE is wrong for all pictures alike, or for none
    library = Library(given["kernel_dir"])
    stack = stack_of(given, library)
    if not given["quiet"]:
        for note in library.notes:
            console.say(note)
    found, run_options = _prepare(given)
    jobs = plan_run(found.sources, stack, run_options)
    if given["tool"]:
        from convtool.cli.elsewhere import print_translated

        return print_translated(jobs, found.failures, run_options, given["tool"])
    if given["dry_run"]:
        from convtool.cli.dryrun import dry_run

        return dry_run(jobs, found.failures, run_options, json=given["json_"], verbose=given["verbose"])
    from convtool.cli.execute import execute

    return execute(jobs, found, run_options, given)


def _check_words(given: dict[str, Any]) -> None:
    """Refuse what the options alone show to be wrong."""
    from convtool.runs.naming import is_folder

    if not given["inputs"]:
        raise UsageError("no input; name a picture, a folder or - for standard input (see convtool apply --help)")
    if given["force"] and given["skip_existing"]:
        raise UsageError("--force and --skip-existing contradict each other; give one of them")
    if given["files0"] == "-" and "-" in given["inputs"]:
        raise UsageError("standard input is the list of inputs already; leave out the input -")
    if given["colormap"] and not given["sheet"]:
        raise UsageError("--colormap colours the contact sheet; add --sheet")
    if given["tool"] and given["sheet"]:
        raise UsageError("--as prints how the maps are made, and --sheet draws them; leave one of them out")
    if given["tool"] and "-" in given["inputs"]:
        raise UsageError("--as needs the name of a picture, and standard input has none")
    if list(given["inputs"]).count("-") > 1:
        raise UsageError("standard input (-) is given twice")
    stdout = given["output"] == "-" or (given["output"] is None and "-" in given["inputs"])
    if given["json_"] and stdout:
        raise UsageError("--json and -o - would both write to standard output; name a file with -o")
    if given["output"] is None:
        folder = next((name for name in given["inputs"] if name != "-" and is_folder(name)), None)
        if folder is not None:
            raise UsageError(f"{folder} is a folder; say where its maps go with -o, as in -o out/")


def _prepare(given: dict[str, Any]) -> tuple[Found, Options]:
    from convtool.pictures.limits import Limits
    from convtool.pictures.signatures import kind_of
    from convtool.pictures.writer import Encoding
    from convtool.runs.batch import Options, SheetOptions
    from convtool.runs.inputs import find_inputs
    from convtool.runs.naming import make_naming, template_folder
    from convtool.stdio import check_stdout, read_stdin

    raw = given["dtype"] == "float32" or (given["range_"] is not None and given["range_"].how == "raw")
    stdin = "-" in given["inputs"]
    naming = make_naming(given["output"], given["format_"], stdin=stdin, raw=raw)
    if naming.kind == "stdout" and not given["dry_run"]:
        check_stdout()
    folder = Path(naming.output) if naming.kind == "folder" else None
    if naming.kind == "template":
        base = template_folder(naming.output)
        folder = Path(base) if base != "." else None
    found = find_inputs(given["inputs"], recursive=given["recursive"], output_folder=folder)
    if not found.sources and not found.failures:
        others = f" ({found.others} other files)" if found.others else ""
        deeper = "" if given["recursive"] else "; --recursive takes sub-folders too"
        raise UsageError(f"no pictures in {', '.join(given['inputs'])}{others}{deeper}")
    data: bytes | InputError = b""
    if stdin:
        try:
            data = read_stdin(given["max_bytes"])
        except InputError as error:
            data = error  # fails this input; others may be good
    if isinstance(data, bytes) and naming.kind == "stdout" and naming.format is None and kind_of(data[:16]) == "NPY":
        naming = make_naming(given["output"], "npy", stdin=stdin, raw=raw)
    return (
        found,
        Options(
            naming=naming,
            encoding=Encoding(given["quality"], given["compress"]),
            limits=Limits(given["max_pixels"], reduce_16bit=given["dtype"] == "uint8", lenient=given["lenient"]),
            force=given["force"] or given["tool"] is not None,  # nothing is written then
            skip_existing=given["skip_existing"],
            measure=given["json_"],
            verify=given["verify"] or 0,
            sheet=SheetOptions(given["sheet"], given["colormap"]) if given["sheet"] else None,
            stdin=data,
            debug=given["debug"],
        ),
    )
