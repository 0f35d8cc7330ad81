"""Exploring: what may go from a codec, before a recipe is written."""
