"""The weights that slimcodec trained and ships, each beside its card."""
