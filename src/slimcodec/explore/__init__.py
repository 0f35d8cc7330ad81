"""Exploring: what may go from a codec, asked of real streams on photographs."""
