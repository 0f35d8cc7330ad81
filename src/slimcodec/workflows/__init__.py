"""What takes several rooms: each workflow is one call, from the command line or from a script.

workflows.bench       codecs and a folder of images to rows, tables and a page
workflows.study       the same of codecs that are shrunk in every way that a study lists
workflows.importing   a published checkpoint to a model
workflows.timing      codecs, encoding and decoding in turn
workflows.training    photographs to a model file and its card
"""
