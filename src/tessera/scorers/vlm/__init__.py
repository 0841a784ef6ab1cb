"""Vision-language models as scorers: they are shown a picture and asked about it, and their answer is read.

Each picture is a sequence of its own. A sequence of several hundred tokens fills a GPU by itself, and padding
would let a row's number depend on its neighbours; so `place.batch_size` plays no part here.
"""
