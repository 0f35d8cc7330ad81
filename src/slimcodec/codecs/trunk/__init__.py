"""What codecs share whose decoder makes more of a picture that another codec decoded: residual
blocks at two resolutions, whose channels are scaled and shifted by what is known of the picture."""
