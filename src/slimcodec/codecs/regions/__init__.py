"""`jpeg-regions`: an ordinary JPEG file that spends its bytes where people look."""

from slimcodec.codecs.regions.codec import JpegRegions

__all__ = ["JpegRegions"]
