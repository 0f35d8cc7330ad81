"""A model's graphs made for the runtime that will run them.

``grids`` writes a model's quantization into a graph that its family wrote; ``rewrites`` changes it,
exactly, into what a runtime is fast at; ``bundling`` does both to all graphs and puts their weights
into one file.
"""
