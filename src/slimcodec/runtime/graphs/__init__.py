"""A model's torch graphs as ONNX graphs, made for the runtime that will run them.

``exporting`` traces a graph once, with dynamic sides; ``grids`` writes a model's quantization into
it; ``rewrites`` changes it, exactly, into what a runtime is fast at. Needs torch and onnx; what
comes out needs neither.
"""
