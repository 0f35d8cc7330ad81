"""``python -m slimcodec``: the command, where its script is not on the path."""

from slimcodec.cli import run

if __name__ == "__main__":
    run()
