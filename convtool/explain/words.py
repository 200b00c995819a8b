"""What the explainers say, in English and Chinese. Placeholders are the same in both."""

from __future__ import annotations

from collections.abc import Sequence

from convtool.errors import UsageError

LANGUAGES = ("en", "zh")

WORDS: dict[str, tuple[str, str]] = {
    "picture": ("picture", "图像"),
    "crop": ("crop", "裁剪"),
    "crop_note": (
        "rows {top} to {bottom}, columns {left} to {right} of {height}x{width}, run as a picture of its own",
        "取自 {height}x{width} 的第 {top} 至 {bottom} 行、第 {left} 至 {right} 列，作为独立图像计算",
    ),
    "stride": ("stride", "步长"),
    "padding": ("padding", "填充"),
    "padding_value": (
        "{top} above, {bottom} below, {left} left, {right} right, border {border}",
        "上 {top}，下 {bottom}，左 {left}，右 {right}，边界 {border}",
    ),
    "dilation": ("dilation", "膨胀率"),
    "size": ("size", "尺寸"),
    "size_of": ("size of {label}", "{label} 的尺寸"),
    "rows": ("rows   ", "行"),
    "columns": ("columns", "列"),
    "at": (
        "Map {map}, {plane}output row {row}, column {column}",
        "特征图 {map}，{plane}输出第 {row} 行，第 {column} 列",
    ),
    "of_plane": ("channel {plane}, ", "通道 {plane}，"),
    "strongest": (
        "This is the strongest answer of all maps; --at ROW,COL shows any other.",
        "这是所有特征图中最强的响应；用 --at 行,列 查看其他位置。",
    ),
    "filter": ("Kernel {label}", "卷积核 {label}"),
    "window": ("window", "窗口"),
    "kernel": ("kernel", "卷积核"),
    "products": ("products", "乘积"),
    "channel": (
        "channel {plane}: rows {top} to {bottom}, columns {left} to {right}",
        "通道 {plane}：第 {top} 至 {bottom} 行，第 {left} 至 {right} 列",
    ),
    "dilated": (", every {rows}x{columns}", "，间隔 {rows}x{columns}"),
    "padding_cells": (
        "in parentheses, as ({number}): from the padding, border {border}",
        "括号中的数如 ({number}) 来自填充，边界 {border}",
    ),
    "subtotal": ("subtotal of {plane}: {value}", "{plane} 小计：{value}"),
    "largest": (
        "{count} taps; the largest products, by row and column of the picture:",
        "共 {count} 个权重；以下为最大的乘积（按图像的行、列）：",
    ),
    "tap": (
        "row {row}, column {column}: {value} times {weight} = {product}",
        "第 {row} 行，第 {column} 列：{value} 乘 {weight} = {product}",
    ),
    "from_padding": (" (padding)", "（填充）"),
    "others": ("the {count} others together: {value}", "其余 {count} 个合计：{value}"),
    "sum": ("sum", "总和"),
    "scale": ("scale", "缩放"),
    "bias": ("bias", "偏置"),
    "raw": ("raw", "原始值"),
    "merge": ("merge", "合并"),
    "range": ("range", "范围"),
    "dtype": ("dtype", "类型"),
    "written": ("written", "写入"),
    "step_gain": ("gain {0}: {y} times {0} = {value}", "增益 {0}：{y} 乘 {0} = {value}"),
    "step_clip_range": ("clip: {y} stays as it is until the end", "clip：{y} 不变，最后再截断"),
    "step_raw": ("raw: {y} stays as it is", "raw：{y} 保持不变"),
    "step_abs": ("abs: the magnitude of {y} is {value}", "abs：{y} 的绝对值为 {value}"),
    "step_shift": ("shift: {y} + {0} = {value}", "shift：{y} + {0} = {value}"),
    "step_stretch": (
        "stretch: ({y} - {0}) / ({1} - {0}) times {2} = {value}",
        "stretch：({y} - {0}) / ({1} - {0}) 乘 {2} = {value}",
    ),
    "step_flat": ("stretch: the map has one value only, {y} stays", "stretch：整张图只有一个值，{y} 不变"),
    "step_symmetric": (
        "symmetric: {y} / {0} times {1} + {2} = {value}",
        "symmetric：{y} / {0} 乘 {1} + {2} = {value}",
    ),
    "step_units": ("{dtype}: {y} times {0} = {value}", "{dtype}：{y} 乘 {0} = {value}"),
    "step_coded": ("{dtype}: linear light {y} coded again = {value}", "{dtype}：线性光 {y} 重新编码 = {value}"),
    "step_round": ("{dtype}: {y} rounded half to even = {value}", "{dtype}：{y} 四舍六入五成双 = {value}"),
    "step_clip": ("{dtype}: {y} clipped to {0}..{1} = {value}", "{dtype}：{y} 截断到 {0}..{1} = {value}"),
    "step_fits": ("{dtype}: {y} fits", "{dtype}：{y} 无需改变"),
    "alpha": ("alpha", "透明度"),
    "alpha_note": (
        "the input's at row {row}, column {column}: {value}",
        "取自输入第 {row} 行，第 {column} 列：{value}",
    ),
    "alpha_of_blur": (
        "{visible} of {whole} is visible, of {full}: {value}",
        "权重 {whole} 中可见 {visible}，满值 {full}：{value}",
    ),
    "cover": ("alpha", "透明度"),
    "cover_note": (
        "{total} / {visible} * {whole} = {value} (only what is visible counts)",
        "{total} / {visible} * {whole} = {value}（只计可见部分）",
    ),
    "mixed": (
        "values are mixed with the anchor pixel, row {row}, column {column}, where alpha is below 1",
        "alpha 小于 1 处的值与锚点像素（第 {row} 行，第 {column} 列）混合",
    ),
    "rounded": ("Numbers are shown to four decimals.", "数字显示到小数点后四位。"),
    "step": ("Step {number} of {count}", "第 {number} 步，共 {count} 步"),
    "input": ("input {plane}", "输入 {plane}"),
    "output": ("output {label}", "输出 {label}"),
    "legend": (
        "[ ] window   ( ) padding   {{ }} padding in the window   . still to come",
        "[ ] 窗口   ( ) 填充   {{ }} 窗口中的填充   . 尚未计算",
    ),
    "keys": (
        "n or right: next   b or left: back   p or space: play, pause   q: quit",
        "n 或右键：下一步   b 或左键：上一步   p 或空格：播放/暂停   q：退出",
    ),
    "playing": ("playing", "播放中"),
    "line": (
        "{step}: {map}, {plane}row {row}, column {column}: {sum}; raw {raw}, written {written}.",
        "{step}：{map}，{plane}第 {row} 行，第 {column} 列：{sum}；原始值 {raw}，写入 {written}。",
    ),
}


PLANES: dict[str, tuple[str, str]] = {
    "grey": ("grey", "灰度"),
    "luma": ("luma", "亮度"),
    "alpha": ("alpha", "透明度"),
    "sum": ("sum", "总和"),
    "linear": ("linear", "线性"),
    "channel": ("channel", "通道"),
}
"""Words in the names of planes; R, G, B and numbers stay."""


class Words:
    """The words of one language."""

    def __init__(self, language: str) -> None:
        if language not in LANGUAGES:
            raise UsageError(f"lang {language!r} is not one of {', '.join(LANGUAGES)}")
        self._at = LANGUAGES.index(language)

    def __call__(self, key: str, *operands: object, **values: object) -> str:
        """A phrase with its placeholders filled."""
        return WORDS[key][self._at].format(*operands, **values)

    def plane(self, name: str) -> str:
        """What a plane is called."""
        return " ".join(PLANES[word][self._at] if word in PLANES else word for word in name.split())

    def place(self, label: str, planes: Sequence[str], plane: int, row: int, column: int) -> str:
        """Which output of which map; its plane only where there are several."""
        told = self("of_plane", plane=self.plane(planes[plane])) if len(planes) > 1 else ""
        return self("at", map=label, plane=told, row=row, column=column)
