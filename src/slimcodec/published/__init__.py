"""Published curves that ship: each is a CSV file (`slimcodec.bench.published`) with its sources."""
