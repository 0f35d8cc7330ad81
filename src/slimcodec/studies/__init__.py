"""Studies that ship: each is a TOML file whose first line says what it measures."""
