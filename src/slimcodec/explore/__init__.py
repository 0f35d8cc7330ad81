"""Finding out what is worth shrinking, before a recipe is written."""
