"""Graphs of operators in numpy: held in memory, built, and written as ONNX files.

    ir        values, nodes, graphs, and how to change them without losing who uses what
    building  operators by name, over values that know their shapes: what a family writes with
    writing   the bytes of an ONNX file, and the protobuf under them

Nothing here needs more than numpy. Names in ``ir`` are those of the package ``onnx_ir``, of which
it is the part that graphs of image codecs need.
"""
