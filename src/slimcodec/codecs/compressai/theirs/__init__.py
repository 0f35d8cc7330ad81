"""Streams that CompressAI's own command line wrote (``examples/codec.py encode``).

    stream ─► header, strings ─► rANS with the checkpoint's tables ─► symbols ─► ŷ ─► picture

``container`` has the bytes, ``rans`` the entropy coder, ``tables`` what the checkpoint has of
tables, ``synthesis`` the scales that pick them, in several ways, ``reading`` all of it together.
Nothing in such a stream is a check, but its coder is one: read to the end with the tables that
wrote it, it is where an encoder starts.
"""
