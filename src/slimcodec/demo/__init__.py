"""Photographs for `slimcodec demo`, none of them trained on, and the study it runs."""
