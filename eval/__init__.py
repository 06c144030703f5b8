"""How good is it, by the measures that the field agrees on?"""
