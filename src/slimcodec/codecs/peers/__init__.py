"""Codecs from outside that learned ones are measured against: the same contract, a few lines each.

A peer's stream is a plain file of its format, headers included: any viewer opens it, and its size
is what the world pays for such an image.
"""
