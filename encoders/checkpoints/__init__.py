"""How do model folders of other tools become encoders?"""
