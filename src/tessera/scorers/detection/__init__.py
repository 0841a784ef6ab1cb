"""What a detector sees in a picture, held against what its prompt asks for: objects, places, counts."""
