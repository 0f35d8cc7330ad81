"""What takes several rooms: each workflow is one call, from the command line or from a script.

workflows.timing      codecs, encoding and decoding in turn
workflows.training    photographs to a model file and its card
"""
