"""How the learned judges of mosaic are made: labelled pictures, the training of each, what they are worth."""
