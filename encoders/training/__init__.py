"""How does an encoder come to know what is relevant?"""
