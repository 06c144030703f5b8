"""How may a vector be written in fewer bytes? Codecs that are studied.

None of these is what a collection stores: that is in index/ (token_codec.py, residual_codec.py,
stores/). They are written in numpy, with FAISS for codebooks, to be measured beside those.
"""
