"""Geometry of every figure: here only numbers become places.

Templates draw them as SVG and HTML, and the style sheet colours them, light or dark. Rooms: `axes`
(values to places), `looks` (colours and marks, the same everywhere), `labels` (words that cover
nothing), and one file for each kind of figure: `curves` of quality over rate, `lanes` of changes,
`pareto` of time against bytes, `scatter` of single images, `bars` of time, `layers` of bits.
"""

from slimcodec.report.figures.axes import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    Spot,
    Tick,
    value_axis,
)
from slimcodec.report.figures.bars import Bar, BarGroup, Segment, time_bars
from slimcodec.report.figures.curves import Chart, Curve, charts, legend
from slimcodec.report.figures.lanes import LaneChart, bd_rate_lanes, change_lanes
from slimcodec.report.figures.layers import LayerChart, layer_charts
from slimcodec.report.figures.looks import STYLES
from slimcodec.report.figures.pareto import ParetoChart, pareto_charts
from slimcodec.report.figures.scatter import ScatterChart, image_scatters

__all__ = [
    "BOTTOM",
    "HEIGHT",
    "LEFT",
    "RIGHT",
    "STYLES",
    "TOP",
    "WIDTH",
    "Axis",
    "Bar",
    "BarGroup",
    "Chart",
    "Curve",
    "LaneChart",
    "LayerChart",
    "ParetoChart",
    "ScatterChart",
    "Segment",
    "Spot",
    "Tick",
    "bd_rate_lanes",
    "change_lanes",
    "charts",
    "image_scatters",
    "layer_charts",
    "legend",
    "pareto_charts",
    "time_bars",
    "value_axis",
]
