"""How near things are in a picture, by a network that estimates depth from one view."""
