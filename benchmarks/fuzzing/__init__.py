"""Hostile input for everything that reads a file: see ``benchmarks/fuzz.py``.

A *parser* (``parsers.PARSERS``) is a row of a table: sound inputs to begin with, edits that know
the format, checks and digests forged again so that what lies behind them is reached, and a use.
What goes wrong there is a *finding* (``judging``).
"""
