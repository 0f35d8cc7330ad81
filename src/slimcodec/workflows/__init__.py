"""What takes several rooms: each workflow is one call, from the command line or from a script.

workflows.training    photographs to a model file and its card
"""
